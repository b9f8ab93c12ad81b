"""What a data set's folder holds and lacks, decided by the functions that open it for a score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.registry import Findings, get_layout, split_opener
from dinobench.runtime.errors import InputError

TRAIN_AND_VAL = ("train", "val")


def check_layout(layout: str, root: Path, dataset: str = "", splits: Sequence[str] = ()) -> Findings:
    """What lies under `root`: by the layout's own check, else by opening its splits as `eval` does.

    Args:
        layout: name of the layout.
        root: folder of the data set.
        dataset: which of the layout's data sets is wanted.
        splits: to open; by default those that the layout names, else train and val.
    """
    module = get_layout(layout)
    own: Callable[[Path], Findings] | None = getattr(module, "check", None)
    if own is not None:
        return own(root)
    return check_splits(split_opener(layout, dataset), root, splits or getattr(module, "SPLITS", TRAIN_AND_VAL))


def check_splits(open_split: Callable[[Path, str], ImageSet], root: Path, splits: Sequence[str]) -> Findings:
    """Counts of each split, and what keeps one from opening; a line that several splits share is given once."""
    counts: dict[str, int] = {}
    problems: list[str] = []
    notes: list[str] = []
    files: list[Path] = []
    for split in splits:
        try:
            images = open_split(root, split)
        except InputError as error:
            problems.append(str(error))
            continue
        counts[f"{split} images"] = len(images)
        counts[f"{split} classes"] = len(images.classes)
        notes += images.notes
        files += images.files()
    return Findings(counts, tuple(dict.fromkeys(problems)), tuple(files), tuple(dict.fromkeys(notes)))
