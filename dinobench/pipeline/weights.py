"""Whether a weights file is the one that a published card names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dinobench.cards import ModelCard
from dinobench.data.content import is_fresh, stamp_of
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json, sha256_file, user_path, write_text_atomically


@dataclass(frozen=True)
class CardMatch:
    """A card that a file is taken for.

    Attributes:
        note: how it is known, one line for output and record.
        unverified: why the figure must not stand beside a published one; empty where the digest agrees.
        certain: False where the file's name alone speaks for the card: its architecture must fit as well.
    """

    card: ModelCard
    note: str
    unverified: str = ""
    certain: bool = True


def local_weights(card: ModelCard, trusted: bool) -> Path | None:
    """The file of a card whose `weights` is a path; None where it is an address.

    Args:
        card: read from a file.
        trusted: whether the user named the card's folder by option.

    Raises:
        InputError: no such file; or, where the user did not name the card's folder, one outside the folder round it.
    """
    if not card.local:
        return None
    folder = Path(card.file).parent.resolve()
    path = (folder / user_path(card.weights)).resolve()
    if not trusted and not path.is_relative_to(folder.parent):
        raise InputError(
            f"card {card.file} names weights outside {folder.parent} ({path}); give the folder by --models-dir {folder}"
        )
    if not path.exists():
        raise InputError(f"the weights of {card.name} are not at {path}; mend `weights` in {card.file}")
    return path


def check_digest(card: ModelCard, path: Path) -> CardMatch:
    """Compare the file of a card with the card's sha256.

    Raises:
        InputError: another file.
    """
    digest = file_digest(path)
    if not card.sha256:
        note = f"weights not verified: card {card.name} has no sha256; that of {path.name} is {digest}"
        return CardMatch(card, f"{note}{_changed_since(card, digest)}", f"weights of {card.name} are not verified")
    if not digest.startswith(card.sha256.lower()):
        raise InputError(
            f"{path} is not the file of card {card.name}: its sha256 is {digest}, the card says {card.sha256}; "
            f"remove it and run `dinobench models fetch {card.name}`, or score it as --model {path} --card none"
        )
    return CardMatch(card, f"weights verified by the sha256 of card {card.name}")


def recognize(path: Path, cards: Iterable[ModelCard]) -> CardMatch | None:
    """The published card of a file given by path: by its digest, else by the released file's own name."""
    released = [card for card in cards if card.released and not card.random and not card.local]
    named = [card for card in released if _file_name(card) == path.name]
    if not any(card.sha256 for card in released) and not named:
        return None
    digest = file_digest(path)
    for card in released:
        if card.sha256 and digest.startswith(card.sha256.lower()):
            return CardMatch(card, f"taken for {card.name} by its sha256; --card none undoes it")
    if len(named) != 1 or named[0].sha256 or not _tells_method(named[0]):
        return None
    (card,) = named
    note = f"taken for {card.name} by its name; --card none undoes it{_changed_since(card, digest)}"
    return CardMatch(card, note, f"weights of {card.name} are not verified", certain=False)


def misnamed(path: Path, cards: Iterable[ModelCard]) -> str:
    """A remark on a file that is called as a released one and is another; empty for other files."""
    if not path.is_file():
        return ""
    named = [card for card in cards if card.released and card.sha256 and _file_name(card) == path.name]
    if len(named) != 1 or file_digest(path).startswith(named[0].sha256.lower()):
        return ""
    return f"called as the file of {named[0].name}, whose sha256 {named[0].sha256} it has not; taken for no card"


def file_digest(path: Path) -> str:
    """The sha256 of a file, remembered as long as its size, inode and times stay."""
    place, stamp = str(path.resolve()), stamp_of(path)[0].hex()
    entry = _read_seen().get("files", {}).get(place)
    if entry and entry[0] == stamp:
        return str(entry[1])
    digest = sha256_file(path)
    if not is_fresh(path):
        _remember_fact("files", place, [stamp, digest])
    return digest


def _changed_since(card: ModelCard, digest: str) -> str:
    """A remark where another file stood for this card before; the first one seen is kept."""
    first = _read_seen().get("cards", {}).get(card.name)
    if first is None:
        _remember_fact("cards", card.name, digest)
        return ""
    return "" if first == digest else f" (an earlier file of this card had sha256 {first}: they differ)"


def _seen_file() -> Path:
    return cache_folder("weights") / "seen.json"


def _read_seen() -> dict[str, dict[str, list[object] | str]]:
    try:
        seen = read_json(_seen_file())
    except InputError:
        return {}
    return seen if isinstance(seen, dict) and all(isinstance(part, dict) for part in seen.values()) else {}


def _remember_fact(kind: str, key: str, value: list[object] | str) -> None:
    """Note a fact; a cache that cannot be written forgets it, which costs time alone."""
    seen = _read_seen()
    seen.setdefault(kind, {})[key] = value
    try:
        write_text_atomically(_seen_file(), json.dumps(seen))
    except (OSError, InputError):
        return


def _file_name(card: ModelCard) -> str:
    return urlsplit(card.weights).path.rpartition("/")[2]


def _tells_method(card: ModelCard) -> bool:
    """Whether the released file's name says which method it is of: resnet50.pth and checkpoint.pth do not."""
    return card.name.split("_")[0] in _file_name(card).lower()
