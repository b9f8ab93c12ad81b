"""Checkpoints that one command looks into several times and opens once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinobench.models.loading.container import CheckpointContents

_Kept = dict[tuple[object, ...], "CheckpointContents"]
_opened: ContextVar[_Kept | None] = ContextVar("opened", default=None)


@contextlib.contextmanager
def opened_once() -> Iterator[None]:
    """Within, what a checkpoint holds is kept until `forget_opened`, or the end."""
    if _opened.get() is not None:
        yield
        return
    token = _opened.set({})
    try:
        yield
    finally:
        _opened.reset(token)


def forget_opened() -> None:
    """Let go of what was kept, which may be large."""
    if (kept := _opened.get()) is not None:
        kept.clear()


def kept_contents(path: Path, open_file: Callable[[Path], CheckpointContents]) -> CheckpointContents:
    """What `open_file` gives for a path, once for the same file as its size, time of change and inode tell it."""
    kept = _opened.get()
    if kept is None or not path.is_file():
        return open_file(path)
    found = path.stat()
    key = (path.absolute(), found.st_size, found.st_mtime_ns, found.st_ino)
    if key not in kept:
        kept[key] = open_file(path)
    return kept[key]
