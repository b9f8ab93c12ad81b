"""Where cards lie, and what holds for every card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_toml
from dinobench.runtime.names import safe_name

PACKAGE = Path(__file__).parents[1]


def packaged(folder: str) -> Path:
    """A folder of cards or published figures: inside an installed package, or at the root of a checkout."""
    installed = PACKAGE / "_cards" / Path(folder).name
    return installed if installed.is_dir() else PACKAGE.parent / folder


def read_all(folder: str, extra: Path | str | None) -> dict[str, tuple[dict[str, Any], Path]]:
    """The tables of every card by its name, and its file, in alphabetical order; a later card of a name replaces.

    Args:
        folder: "tasks" or "reference_models".
        extra: folder of the user's with further cards.

    Raises:
        InputError: no such folder, or a file that cannot be read.
    """
    own = None if extra is None else Path(extra)
    if own is not None and not own.is_dir():
        raise InputError(f"no folder of cards at {own}; give an existing folder of TOML files")
    found: dict[str, tuple[dict[str, Any], Path]] = {}
    for place in (packaged(folder), Path(folder), own):
        for path in sorted(place.glob("*.toml")) if place else ():
            raw = _read_card_file(path)
            found[checked_name(path.stem, raw, f"card {path}")] = raw, path
    return dict(sorted(found.items()))


def replaced_line(folder: str, name: str, file: str) -> str:
    """A line where a card stands in the place of a built-in one that says something else; empty where it does not."""
    built_in = packaged(folder) / f"{name}.toml"
    if not built_in.is_file() or Path(file).read_bytes() == built_in.read_bytes():
        return ""
    return f"card {file} replaces the built-in card {name}"


def _read_card_file(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except InputError as error:
        raise InputError(f"card {error}") from error


def checked_name(name: str, raw: Mapping[str, Any], where: str) -> str:
    """The name of a card is its file's, that of a protocol its table's: neither states what is filled in here."""
    if filled := {"name", "file", "note"} & raw.keys():
        raise InputError(f"{where} states {min(filled)}, which follows from its place; remove it")
    return safe_name(name, where)
