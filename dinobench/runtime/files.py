"""Files written whole or not at all, and their digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dinobench.runtime.errors import InputError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it on success and vanishes on failure.

    The file is flushed to disk before the rename, so a killed process or a full disk leaves either the old
    file or the new one, never half of one.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
    except OSError as error:
        raise InputError(f"cannot write {path}: {_reason(error)}; choose another --output or free the disk") from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        if not isinstance(error, OSError) and not _cut_short(error):
            raise
        raise InputError(f"cannot write {path}: {_reason(error)}; the previous file, if any, is untouched") from error
    finally:
        temporary.unlink(missing_ok=True)


def refuse_unwritable(path: Path) -> None:
    """InputError where the file `path` could not be written: said before hours of work, not after."""
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file in it")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"cannot write {path}: {folder} is no folder that you may write to; choose another place")


def _reason(error: OSError | RuntimeError) -> str:
    """The system's words where there are any."""
    if _cut_short(error):
        return "only a part could be written, the disk is probably full"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _cut_short(error: OSError | RuntimeError) -> bool:
    """Whether torch or numpy could not write all they had to; neither passes on the system's reason."""
    return any(words in str(error) for words in ("inline_container", "PytorchStreamWriter", "requested and"))


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text through `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
