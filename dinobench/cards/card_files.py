"""Where cards lie, and what holds for every card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_toml
from dinobench.runtime.names import safe_name

Card = TypeVar("Card")
ReadCard: TypeAlias = Callable[[str, dict[str, Any], Path], Card]

PACKAGE = Path(__file__).resolve().parents[1]


def packaged(folder: str) -> Path:
    """A folder of cards or published figures: inside an installed package, or at the root of a checkout."""
    installed = PACKAGE / "_cards" / Path(folder).name
    return installed if installed.is_dir() else PACKAGE.parent / folder


def is_own(folder: str, file: str) -> bool:
    """Whether a card of `folder` is a user's, not the package's."""
    return Path(file).parent.resolve() != packaged(folder).resolve()


def load_cards(folder: str, extra: Path | str | None, read: ReadCard[Card]) -> dict[str, Card]:
    """Every card by its name, in alphabetical order; a later card of a name replaces an earlier one.

    Args:
        folder: "tasks" or "reference_models".
        extra: folder of the user's with further cards.
        read: makes a card of its name, its tables and its file. The package's own cards are read once in a process.

    Raises:
        InputError: no such folder, or a file that cannot be read.
    """
    own = None if extra is None else Path(extra)
    if own is not None and not own.is_dir():
        raise InputError(f"no folder of cards at {own}; give an existing folder of TOML files")
    built_in, here = packaged(folder), Path(folder)
    places = [place for place in (here, own) if place and place.resolve() != built_in]
    found = dict(_packaged_cards(built_in, read))
    for place in places:
        found |= _cards_in(place, read)
    return dict(sorted(found.items()))


@cache
def _packaged_cards(folder: Path, read: ReadCard[Card]) -> dict[str, Card]:
    return _cards_in(folder, read)


def _cards_in(folder: Path, read: ReadCard[Card]) -> dict[str, Card]:
    found = {}
    for path in sorted(folder.glob("*.toml")):
        raw = _read_card_file(path)
        name = checked_name(path.stem, raw, f"card {path}")
        found[name] = read(name, raw, path)
    return found


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
