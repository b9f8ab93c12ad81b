"""Tiny-ImageNet's boxes: one object an image."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts._boxes import Boxes, read_box_table
from dinobench.data.layouts._files import read_lines, refuse_missing
from dinobench.data.layouts._walk import subfolders
from dinobench.runtime.errors import InputError

DATASETS = ("tiny_imagenet_boxes",)
EXPECTED_TREE = """ROOT/                                  (the folder tiny-imagenet-200)
  train/<wnid>/images/*.JPEG
  train/<wnid>/<wnid>_boxes.txt        image, left, top, right, bottom
  val/images/*.JPEG
  val/val_annotations.txt              image, wnid, left, top, right, bottom
100,000 and 10,000 images: http://cs231n.stanford.edu/tiny-imagenet-200.zip"""
_COLUMNS = {"train": 5, "val": 6}


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" or "val" that have a box, unlabeled; `object_boxes` gives it.

    Raises:
        InputError: another split, no table of boxes, or an image that it names is missing.
    """
    if split not in _COLUMNS:
        raise InputError(f"Tiny-ImageNet has boxes for train and val, not for '{split}'")
    folders = [f"train/{name}" for name in subfolders(root / "train")] if split == "train" else ["val"]
    names: list[str] = []
    for folder in folders:
        table = _table_of(root, folder)
        listed = list(dict.fromkeys(f"{folder}/images/{line.split(chr(9))[0]}" for line in read_lines(table)))
        refuse_missing(root, listed, table)
        names += listed
    if not names:
        raise InputError(
            f"{root} has no folder train/<wnid>/; `dinobench data check tiny_imagenet_boxes` prints the tree"
        )
    return from_files(f"tiny-imagenet/{split}", root, names, [UNLABELED] * len(names), ())


def object_boxes(images: ImageSet, index: int) -> Boxes:
    """(n, 4) boxes of an image."""
    assert images.root is not None  # `open` sets it
    name = PurePosixPath(images.names[index])
    split = name.parts[0]
    table = read_box_table(_table_of(images.root, str(name.parent.parent)), _COLUMNS[split])
    return table.get(name.name, np.zeros((0, 4)))


def annotation_files(images: ImageSet) -> list[Path]:
    """The tables of a set's boxes."""
    assert images.root is not None  # `open` sets it
    folders = dict.fromkeys(str(PurePosixPath(name).parent.parent) for name in images.names)
    return [_table_of(images.root, folder) for folder in folders]


def _table_of(root: Path, folder: str) -> Path:
    name = "val_annotations.txt" if folder == "val" else f"{PurePosixPath(folder).name}_boxes.txt"
    return root / folder / name
