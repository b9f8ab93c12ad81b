"""Names that come from a file, before they become part of a path."""

from __future__ import annotations

import re
from pathlib import Path

from dinobench.runtime.errors import InputError

_LONGEST = 255  # bytes of one name in nearly every file system
_RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
)
_LONGEST_PATH = 1000  # letters of a path below a root: systems take about 4,000 bytes for a whole one
_SEPARATORS = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_PLAIN = re.compile(r"[A-Za-z0-9_-][\w.-]*(/[A-Za-z0-9_-][\w.-]*)*", re.ASCII)  # most names, told apart at once


def safe_name(name: str, what: str) -> str:
    """`name` itself, if it may name one file or folder on any system.

    Args:
        name: as it stands in a file: of a sequence, a query, a class, a run.
        what: what it names and where it stands, for the message: "sequence in ROOT/val.txt".

    Raises:
        InputError: it is empty, reserved ("..", "CON"), too long, holds a separator or a control character such as a
            zero byte or the end of a line, or ends in a dot or a blank, which some systems drop.
    """
    if reason := _part_fault(name) or _name_fault(name):
        raise InputError(f"{what}: {name!r:.80} is not taken as a name, since {reason}; rename it")
    return name


def inside(root: Path, relative: str, what: str) -> Path:
    """`root / relative`, if it lies below `root` by its name; links in `root` are followed as they are.

    Raises:
        InputError: it is absolute, holds "..", a zero byte or a part that is too long, or is empty.
    """
    if len(relative) < _LONGEST and _PLAIN.fullmatch(relative):
        return root / relative
    parts = _SEPARATORS.split(relative)
    reason = next(filter(None, map(_part_fault, filter(None, parts))), "")
    if len(relative) > _LONGEST_PATH:
        reason = f"it is longer than {_LONGEST_PATH} letters"
    if not parts[0] or _DRIVE.match(relative):
        reason = "it is empty" if not relative else "it is absolute"
    if reason:
        raise InputError(f"{what}: {relative!r:.80} is not taken as a path below {root}, since {reason}; correct it")
    return root / relative


def file_below(root: Path, relative: str) -> Path | None:
    """`root / relative` where it is a file below `root`, links followed; None where it is none or lies elsewhere."""
    try:
        found = (root / relative).resolve()
        return root / relative if found.is_file() and found.is_relative_to(root.resolve()) else None
    except (OSError, ValueError):  # a name too long for the file system, or with a zero byte
        return None


def printable(text: str) -> str:
    r"""`text` with bytes of file names that are no UTF-8 as \xe9, so that it can be shown and kept in a record."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _name_fault(name: str) -> str:
    """What forbids that a part of a path is a name on every system; empty where nothing does."""
    if _SEPARATORS.search(name) or _DRIVE.match(name):
        return "it holds a separator"
    if _CONTROL.search(name):
        return "it holds a control character"
    if name.endswith((".", " ")):
        return "it ends in a dot or a blank"
    return "that name is reserved on some systems" if name.split(".")[0].upper() in _RESERVED else ""


def _part_fault(part: str) -> str:
    """What is wrong with one part of a path; empty where nothing is."""
    if not part.strip(" "):
        return "it is empty"
    if "\0" in part:
        return "it holds a zero byte"
    if part in (".", ".."):
        return f"{part!r} names another folder"
    try:
        size = len(part.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # "\ud800", which JSON can hold
        return "it holds half a character"
    return f"it is longer than {_LONGEST} bytes" if size > _LONGEST else ""
