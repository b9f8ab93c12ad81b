"""The run directory: its name, its making, and one training in it at a time."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import remove_leftovers
from dinobench.runtime.locks import try_lock
from dinobench.runtime.processes import rank
from dinobench.training import checkpoints


def default_folder(recipe: str) -> Path:
    """runs/RECIPE-TIME."""
    return Path("runs") / f"{recipe}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def refuse_held(folder: Path) -> None:
    """InputError where a run would be overwritten."""
    if (folder / checkpoints.LAST).exists():
        raise InputError(f"{folder} already holds a run; give another --output, or --resume to continue it")


def made_folder(folder: Path) -> Path:
    """The folder, made where it is not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {folder}: {error.strerror}; give another --output") from error
    return folder


@contextmanager
def hold_run_folder(folder: Path) -> Iterator[None]:
    """Within, a run directory is this training's alone; the lock of a process that dies is free.

    What killed trainings left half-written there is removed.

    Raises:
        InputError: another training holds it.
    """
    if rank() != 0:  # the first process writes
        yield
        return
    lock = try_lock(folder / ".lock")
    if lock is None:
        raise InputError(f"another training is writing into {folder}; wait for it, or give another --output")
    try:
        remove_leftovers(folder)
        yield
    finally:
        lock.release()
