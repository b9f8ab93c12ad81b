"""Oxford Flowers-102: one folder of images; labels and splits in two .mat files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.layouts._files import (
    read_mat,
    refuse_missing,
    refuse_out_of_range,
    variable,
    whole_numbers,
)
from dinobench.data.layouts._places import folder_with
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown

DATASETS = ("flowers",)
FOLDERS = {"flowers-102": "flowers"}
SIGNS = ("setid.mat",)
EXPECTED_TREE = """ROOT/
  jpg/image_00001.jpg ... image_08189.jpg
  imagelabels.mat    labels 1..102
  setid.mat          trnid (1020), valid (1020), tstid (6149)
By protocol "train" is trnid + valid (2040 images) and "val" is tstid (6149).
https://www.robots.ox.ac.uk/~vgg/data/flowers/102/ (102flowers.tgz, imagelabels.mat, setid.mat)."""

CLASSES = 102
_PARTS = {
    "train": ("trnid", "valid"),
    "val": ("tstid",),
    "test": ("tstid",),
    "trnid": ("trnid",),
    "valid": ("valid",),
    "tstid": ("tstid",),
}


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" (trnid, then valid) or "val" (tstid), or of one part by its own name.

    Raises:
        InputError: a missing or unreadable .mat file, an id without label, or missing images.
    """
    if split not in _PARTS:
        raise unknown("split of flowers", split, _PARTS)
    root = folder_with(root, SIGNS)
    ids = _read_ids(root / "setid.mat", _PARTS[split])
    labels = _read_labels(root / "imagelabels.mat", ids)
    names = [f"jpg/image_{number:05d}.jpg" for number in ids]
    refuse_missing(root, names, root / "setid.mat")
    refuse_out_of_range(labels, CLASSES, names, root / "imagelabels.mat")
    classes = [f"{number:03d}" for number in range(1, CLASSES + 1)]
    return from_files(f"flowers/{split}", root, names, labels, classes)


def _read_ids(path: Path, parts: tuple[str, ...]) -> np.ndarray:
    content = read_mat(path)
    return np.concatenate([whole_numbers(variable(content, part, path), f"{part} of {path}") for part in parts])


def _read_labels(path: Path, ids: np.ndarray) -> np.ndarray:
    labels = whole_numbers(variable(read_mat(path), "labels", path), f"labels of {path}")
    if len(ids) and not 1 <= ids.min() <= ids.max() <= len(labels):
        raise InputError(f"{path} labels images 1..{len(labels)} but the splits name {ids.min()}..{ids.max()}")
    return np.asarray(labels[ids - 1] - 1)
