"""Which training images a low-shot protocol may use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from dinobench.evaluators.common.setting_groups import TrainingRowsSettings
from dinobench.runtime.errors import InputError


def per_class(labels: NDArray[np.int64], shots: int, seed: int) -> NDArray[np.int64]:
    """`shots` images of every class, drawn without replacement (all of a class that has fewer); (n,) sorted rows."""
    rng = np.random.default_rng(seed)
    drawn = [_draw(rng, np.flatnonzero(labels == label), shots) for label in np.unique(labels)]
    return np.sort(np.concatenate(drawn))


def percentage(labels: NDArray[np.int64], percent: float, seed: int) -> NDArray[np.int64]:
    """`percent` of the images of every class, at least one each; (n,) sorted rows."""
    rng = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        drawn.append(_draw(rng, rows, max(1, round(len(rows) * percent / 100))))
    return np.sort(np.concatenate(drawn))


def listed(names: Sequence[str], list_file: Path) -> NDArray[np.int64]:
    """Rows of the images whose file name (its last part) stands in a text file, one per line.

    Raises:
        InputError: the file cannot be read, or names an image that is not there.
    """
    try:
        wanted = set(list_file.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the list of training images {list_file}: {error}") from error
    by_name = {PurePosixPath(name).name: row for row, name in enumerate(names)}
    if absent := sorted(wanted - by_name.keys()):
        raise InputError(f"{len(absent)} images of {list_file} are not in the training set, first {absent[0]}")
    return np.array(sorted(by_name[name] for name in wanted), dtype=np.int64)


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
    if list_file := _list_path(settings.subset, settings.lists):
        return listed(names, Path(list_file))
    if settings.shots:
        return per_class(labels, settings.shots, seed)
    return percentage(labels, settings.percent, seed) if settings.percent < 100 else None


def _list_path(subset: str, folder: str) -> str:
    """Path of the protocol's list of training images, which lies in `folder`; empty where it has none."""
    if not subset:
        return ""
    path = Path(folder) / subset
    if not path.is_file():
        raise InputError(
            f"the protocol trains on the images listed in {subset}, which is not at {path}; get it (for 1% and 10%: "
            "google-research/simclr, imagenet_subsets) and name its folder with --set lists=FOLDER"
        )
    return str(path)


def _draw(rng: np.random.Generator, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return rng.choice(rows, min(count, len(rows)), replace=False)
