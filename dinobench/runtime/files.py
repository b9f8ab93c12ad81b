"""Files written whole or not at all, files read within bounds, and their digests."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.leftovers import sweep, temporary_name


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it on success and vanishes on failure.

    What killed processes left in the folder is removed.

    The file is flushed to disk before the rename, so a killed process or a full disk leaves either the old
    file or the new one, never half of one.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        temporary = temporary_name(path)
        temporary.touch(mode=0o666, exist_ok=False)  # as the user's umask has it
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {_reason_of(error)}; choose another --output or free the disk"
        ) from error
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except Exception as error:  # safetensors and torch have exceptions of their own for a full disk
        if not isinstance(error, OSError) and not _cut_short(error):
            raise
        raise InputError(
            f"cannot write {path}: {_reason_of(error)}; the previous file, if any, is untouched"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`; for the one who holds the folder's lock."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def refuse_unwritable(path: Path) -> None:
    """InputError where the file `path` could not be written: said before hours of work, not after."""
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file in it")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"cannot write {path}: {folder} is not a folder that you may write to; choose another place")


def claim_folder(folder: Path) -> None:
    """InputError where `folder` is neither new nor empty, so that what is written would mix with other files."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write into {folder}: it is not a folder; give a new --output")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} holds files already; give a new or an empty --output, or remove it")


def _reason_of(error: Exception) -> str:
    """The system's words where there are any."""
    if _cut_short(error):
        return "only a part could be written, the disk is probably full"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _cut_short(error: Exception) -> bool:
    """Whether torch, numpy or safetensors could not write all they had to; none raises the system's own error."""
    return any(
        words in str(error) for words in ("inline_container", "PytorchStreamWriter", "requested and", "os error 28")
    )


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text through `atomic_path`; bytes of file names that are no UTF-8 are written as they are."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_table_atomically(path: Path, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV through `atomic_path`: one line of headings, then one a row, quoted where they need it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)
    write_text_atomically(path, text.getvalue())


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_LONGEST_NAME = 255  # bytes, on every file system in use
LARGEST_TEXT = 1 << 30
"""Bytes of a JSON, TOML or text file: a list of all ImageNet's files has a tenth of it."""


def read_bytes(path: Path, largest: int | None = None) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: no such file, no permission, a folder, pipe or device, or more than `largest` bytes.
    """
    found = require_regular(path)
    if largest is not None and found.st_size > largest:
        raise InputError(f"cannot read {path}: it has {found.st_size} bytes, more than {largest}; is it this file?")
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable_error(path, error) from error
    except MemoryError as error:
        raise InputError(f"cannot read {path}: it does not fit into memory") from error


def user_path(text: str) -> Path:
    """The path that a user wrote, `~` and `~name` as home folders; InputError where no path can be so."""
    if "\0" in text or any(len(os.fsencode(part)) > _LONGEST_NAME for part in text.split("/")):
        raise InputError(
            f"{text[:40]!r}... is not a path: a name in it is longer than {_LONGEST_NAME} bytes or holds a zero"
        )
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"{text}: {error}; write the folder's full path") from error


def require_regular(path: Path) -> os.stat_result:
    """What the system says of a file; InputError where there is none, or a folder, pipe or device in its place."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise _unreadable_error(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"cannot read {path}: it is {_kind_of_file(found.st_mode)}; give a file")
    return found


def refuse_pipe(path: Path) -> None:
    """Raise InputError where a pipe, folder or device stands in a file's place; who opens a pipe waits for ever."""
    if path.exists():
        require_regular(path)


def _unreadable_error(path: Path, error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"cannot read {path}: {reason}; check the path and its permissions")


def read_text(path: Path) -> str:
    """The UTF-8 text of a file; a byte order mark is left out, and lines end as Python's do.

    Raises:
        InputError: it cannot be read, or is not UTF-8 text.
    """
    try:
        text = read_bytes(path, LARGEST_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file; InputError where it cannot be read, is not JSON or nested too deep."""
    return json_value(read_text(path), str(path))


def json_value(text: str | bytes, where: str) -> Any:
    """The value in JSON text that stands in the file `where`; InputError where it is not JSON or nested too deep."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InputError(f"{where} is nested too deep for JSON; write it again") from error
    except ValueError as error:
        raise InputError(f"{where} is not valid json ({error}); write it again") from error


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; InputError where it cannot be read, is not TOML or nested too deep."""
    try:
        return tomllib.loads(read_text(path))
    except RecursionError as error:
        raise InputError(f"{path} is nested too deep for TOML; write it again") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML ({error}); correct it") from error


def _kind_of_file(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    return next((word for is_kind, word in kinds.items() if is_kind(mode)), "a device")
