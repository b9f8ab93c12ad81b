"""One training per run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import remove_leftovers
from dinobench.runtime.locks import try_lock
from dinobench.runtime.processes import rank


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
