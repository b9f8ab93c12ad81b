"""Which training images a low-shot protocol may use.

Drawn here: scikit-learn's stratified draw takes other images for the same seed, which would move figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.setting_groups import TrainingRowsSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_text
from dinobench.runtime.text import first_few


def per_class(labels: NDArray[np.int64], shots: int, seed: int) -> NDArray[np.int64]:
    """`shots` images of every class, drawn without replacement (all of a class that has fewer); (n,) sorted rows."""
    rng = np.random.default_rng(seed)
    drawn = [_draw_rows(rng, np.flatnonzero(labels == label), shots) for label in np.unique(labels)]
    return np.sort(np.concatenate(drawn))


def percentage(labels: NDArray[np.int64], percent: float, seed: int) -> NDArray[np.int64]:
    """`percent` of the images of every class, at least one each; (n,) sorted rows."""
    rng = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        drawn.append(_draw_rows(rng, rows, max(1, round(len(rows) * percent / 100))))
    return np.sort(np.concatenate(drawn))


def listed(names: Sequence[str], list_file: Path) -> NDArray[np.int64]:
    """Rows of the images that a text file names, one a line; blanks inside names are part of them.

    A line is an image's path below the data folder or the end of it: `train/cat/1.jpg`, `cat/1.jpg`, or `1.jpg` where
    only one image is called so.

    Raises:
        InputError: the file cannot be read, names an image that is not there, or a name that several images have.
    """
    try:
        lines = [line.strip() for line in read_text(list_file).split("\n")]
    except InputError as error:
        raise InputError(str(error).replace("cannot read ", "cannot read the list of training images ", 1)) from error
    chosen = _rows_of({line.replace("\\", "/").removeprefix("./"): [] for line in lines if line}, names)
    if not chosen:
        raise InputError(f"{list_file} names no image; give one a line")
    if absent := sorted(line for line, found in chosen.items() if not found):
        raise InputError(f"{len(absent)} images of {list_file} are not in the training set, first {absent[0]}")
    if unclear := [line for line, found in chosen.items() if len(found) > 1]:
        first, others = unclear[0], [names[row] for row in chosen[unclear[0]]]
        raise InputError(
            f"{len(unclear)} names in {list_file} stand for several images, first {first}: {first_few(others)}; "
            "give CLASS/NAME"
        )
    return np.array(sorted({row for found in chosen.values() for row in found}), dtype=np.int64)


def _rows_of(wanted: dict[str, list[int]], names: Sequence[str]) -> dict[str, list[int]]:
    """`wanted`, with the rows of the images whose path is, or ends in, each of its keys."""
    for row, name in enumerate(names):
        parts = PurePosixPath(name).parts
        for start in range(len(parts)):
            if (ending := "/".join(parts[start:])) in wanted:
                wanted[ending].append(row)
    return wanted


def chosen_rows(
    labels: NDArray[np.int64], names: Sequence[str], settings: TrainingRowsSettings, seed: int
) -> NDArray[np.int64] | None:
    """Rows of the training images to use, None for all.

    Args:
        labels: (N,) classes.
        names: identity of each image.
        settings: say how many images of each class, or which.
        seed: of the draw.

    Raises:
        InputError: a list that is not there, or that names other images.
    """
    if list_file := list_path(settings):
        return listed(names, list_file)
    if settings.shots:
        return per_class(labels, settings.shots, seed)
    return percentage(labels, settings.percent, seed) if settings.percent < 100 else None


def note_list(context: EvaluationContext[Any]) -> None:
    """Count the list of training images, where there is one, to the data of the record."""
    if path := list_path(context.settings):
        context.note_files("subset", [path])


def list_path(settings: TrainingRowsSettings) -> Path | None:
    """The protocol's list of training images, which lies in the folder `lists`; None where it has none.

    Raises:
        InputError: it is not there.
    """
    subset = settings.subset
    if not subset:
        return None
    path = Path(settings.lists) / subset
    if not path.is_file():
        raise InputError(
            f"the protocol trains on the images listed in {subset}, which is not at {path}; get it (for 1% and 10%: "
            "google-research/simclr, imagenet_subsets) and name its folder with --set lists=FOLDER"
        )
    return path


def _draw_rows(rng: np.random.Generator, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return rng.choice(rows, min(count, len(rows)), replace=False)
