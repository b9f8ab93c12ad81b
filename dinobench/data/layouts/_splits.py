"""Opening every split of a data set without stopping at the first that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.runtime.errors import InputError

TRAIN_AND_VAL = ("train", "val")


def opened_splits(root: Path, open_split: Callable[[Path, str], ImageSet]) -> tuple[dict[str, ImageSet], list[str]]:
    """The splits that open, by name, and one line for each that does not."""
    found: dict[str, ImageSet] = {}
    problems: list[str] = []
    for split in TRAIN_AND_VAL:
        try:
            found[split] = open_split(root, split)
        except InputError as error:
            problems.append(str(error))
    return found, problems
