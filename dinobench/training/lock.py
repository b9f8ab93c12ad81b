"""One training per run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import rank


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Within, a run directory is this training's alone; a process that dies lets go of it.

    Raises:
        InputError: another training holds it.
    """
    if rank() != 0:  # the first process writes
        yield
        return
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"another training is writing into {folder}; wait for it, or give another --output") from error
    try:
        yield
    finally:
        lock.release()
