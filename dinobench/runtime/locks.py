"""Locks between processes, which let go however a process ends."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from dinobench.runtime.errors import InputError


def try_lock(path: Path) -> FileLock | None:
    """The lock at `path`, held by this process, or None while another one holds it; its folder is made.

    Raises:
        InputError: the folder cannot be written.
    """
    lock = FileLock(path, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise InputError(
            f"cannot lock {path}: {error.strerror}; free the disk or check the permissions of its folder"
        ) from error
    return lock
