"""Temporary files and folders: their names tell whose they are, so that those of killed processes can be removed."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import time
import uuid
import zlib
from pathlib import Path

from dinobench.runtime.living import has_ended, process_names

SUFFIX = ".tmp"
_OURS = re.compile(r"\..*\.(?P<host>[0-9a-f]{8})-(?P<process>\d{1,10})-[0-9a-f]{8}\.tmp", re.DOTALL)
_OF_OTHERS = 7 * 24 * 3600  # seconds after which what another machine left counts as forgotten


def temporary_name(path: Path) -> Path:
    """A new hidden name beside `path` that tells this machine and this process."""
    # The name that is replaced may be as long as the file system allows: a part of it is enough.
    start = path.name.encode("utf-8", "surrogateescape")[:150].decode("utf-8", "ignore")
    return path.with_name(f".{start}.{_host_digits()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{SUFFIX}")


def sweep(folder: Path) -> None:
    """Remove what killed processes left in `folder`; once in the life of a process for each folder."""
    _sweep_once(folder.absolute(), os.getpid())


@functools.lru_cache(maxsize=4096)
def _sweep_once(folder: Path, _process: int) -> None:
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(".") and entry.name.endswith(SUFFIX) and is_forgotten(Path(entry.path)):
                _remove_path(Path(entry.path))


def is_forgotten(path: Path) -> bool:
    """Whether a temporary file is of a process that has ended, or of another machine and a week old."""
    found = _OURS.fullmatch(path.name)
    if found is None:
        return False
    if found["host"] == _host_digits():
        return has_ended(int(found["process"]))
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > _OF_OTHERS
    return False


def _remove_path(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _host_digits() -> str:
    """Eight digits that tell whose process numbers these are."""
    return f"{zlib.crc32(process_names().encode()):08x}"
