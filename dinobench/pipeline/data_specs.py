"""Which data a task reads: one SPEC for all, NAME=SPEC pairs, or a root with one folder per data set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dinobench.cards import TaskCard
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.suggest import unknown

_PAIR = re.compile(r"^([\w.-]+)=(.+)$")


def data_by_task(spec: str | None, cards: Iterable[TaskCard]) -> Mapping[str, str]:
    """The data SPEC of each task by its name; tasks that are left out read their card's own data.

    Args:
        spec: a data SPEC; "imagenet=FOLDER,davis=FOLDER" with names of data sets or tasks; or, for tasks of several
            data sets, a folder that holds one folder per data set.
        cards: the chosen tasks.

    Raises:
        InputError: a pair that names neither a task nor a data set of the chosen tasks.
    """
    chosen = list(cards)
    if not spec:
        return {}
    if pairs := _read_pairs(spec):
        return _from_pairs(pairs, chosen)
    root = user_path(spec)
    if len({card.dataset for card in chosen}) > 1 and root.is_dir():
        from dinobench.data.open import data_folder

        found = {card.name: str(folder) for card in chosen if (folder := data_folder(root, card.dataset))}
        if found:
            return _all_found(root, found, chosen)
    return {card.name: spec for card in chosen}


def refuse_no_data(spec: str, card: TaskCard) -> None:
    """InputError where neither the user nor anything else says which data a task reads."""
    if not spec:
        raise InputError(
            f"no data for {card.name}; say --data FOLDER (of {card.dataset}, or your own in its layout), "
            "or --data mini for embedded drawn images"
        )


def refuse_missing_data(spec: str) -> None:
    """Say before anything is loaded that the folder or list of a data SPEC is not there.

    Raises:
        InputError: where it was looked for.
    """
    from dinobench.data import lists
    from dinobench.data.open import dataset_root, is_folder_spec

    if is_folder_spec(spec):
        dataset_root(spec)
    elif lists.is_list(spec) and not user_path(spec).is_file():
        raise InputError(f"no list {spec}; check the path given as --data")


def _read_pairs(spec: str) -> dict[str, str]:
    parts = [_PAIR.match(part.strip()) for part in spec.split(",")]
    return {part.group(1): part.group(2) for part in parts if part} if all(parts) else {}


def _from_pairs(pairs: Mapping[str, str], cards: list[TaskCard]) -> dict[str, str]:
    known = {card.dataset for card in cards} | {card.name for card in cards}
    for name in pairs:
        if name not in known:
            raise unknown("data set or task", name, known)
    found = {card.name: pairs.get(card.name, pairs.get(card.dataset, "")) for card in cards}
    return {name: spec for name, spec in found.items() if spec}


def _all_found(root: Path, found: dict[str, str], cards: list[TaskCard]) -> dict[str, str]:
    missing = sorted({card.dataset for card in cards if card.name not in found})
    if missing:
        raise InputError(f"{root} has no folder for {', '.join(missing)}; add it, or leave those tasks out")
    return found
