"""What a launcher such as torchrun or srun says in the environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from dinobench.runtime.errors import InputError


def launched() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) without a launcher.

    Raises:
        InputError: RANK or WORLD_SIZE are no such numbers.
    """
    number, count = launch_number("RANK", 0), launch_number("WORLD_SIZE", 1)
    if not 0 <= number < count:
        raise InputError(f"RANK={number} is none of WORLD_SIZE={count} processes; unset both, or start by torchrun")
    return number, count


def ends_together() -> bool:
    """Whether the launcher ends all processes when one of them ends badly, as torchrun does and srun does not."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch_number(variable: str, default: int) -> int:
    """A whole number of the environment; InputError where it is none."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"{variable}={text:.40} is not a number of processes; unset it, or start by torchrun")
    return int(text)


@contextlib.contextmanager
def told_to_others() -> Iterator[None]:
    """Within, where there is no group of processes yet, an error reaches those that wait for this one in it."""
    try:
        yield
    except Exception as error:
        if os.environ.get("WORLD_SIZE", "1") != "1":  # spares the import of torch
            from dinobench.runtime.processes import stay_away

            stay_away(error)
        raise
