"""PASCAL VOC 2007 classification: photos with every class that is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.data.check import check_splits
from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts._boxes import voc_folder
from dinobench.data.layouts._files import read_lines, refuse_missing
from dinobench.data.layouts.voc12_classes import CLASSES as WITH_BACKGROUND
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ()  # the data set is voc07's
CLASSES = WITH_BACKGROUND[1:]
EXPECTED_TREE = """ROOT/VOCdevkit/VOC2007/      (ROOT may also be VOCdevkit or VOC2007 itself)
  ImageSets/Main/{trainval,test}.txt           ids, one per line
  ImageSets/Main/<class>_{trainval,test}.txt   an id and 1 (in it), -1 (not) or 0 (only difficult ones) a line
  JPEGImages/<id>.jpg
5011 trainval and 4952 test images: http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"""
_SPLITS = {"train": "trainval", "val": "test"}


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The photos of "train" (trainval) or "val" (test), unlabeled; `image_labels` gives their classes.

    Raises:
        InputError: no list of ids, or a photo is missing.
    """
    base, own = voc_folder(root, "2007"), _SPLITS.get(split, split)
    listing = base / "ImageSets" / "Main" / f"{own}.txt"
    names = [f"JPEGImages/{line.split()[0]}.jpg" for line in read_lines(listing)]
    refuse_missing(base, names, listing)
    return from_files(f"voc07/{own}", base, names, [UNLABELED] * len(names), CLASSES)


def check(root: Path) -> Findings:
    """Images of both splits, and what is missing."""
    return check_splits(open, root, ("train", "val"))


def image_labels(images: ImageSet) -> NDArray[np.int8]:
    """(N, 20) 1 where a class is in the photo, -1 where it is not, 0 where only objects called difficult are of it.

    Raises:
        InputError: a class has no list, or its list leaves out a photo or says something else of it.
    """
    return np.stack([_read_class(path, images) for path in annotation_files(images)], axis=1)


def annotation_files(images: ImageSet) -> list[Path]:
    """The list of each class."""
    assert images.root is not None  # `open` sets it
    split = images.name.partition("/")[2]
    return [images.root / "ImageSets" / "Main" / f"{name}_{split}.txt" for name in CLASSES]


def _read_class(path: Path, images: ImageSet) -> NDArray[np.int8]:
    said = {}
    for number, line in enumerate(read_lines(path), 1):
        parts = line.split()
        if len(parts) != 2 or parts[1] not in ("1", "0", "-1"):
            raise InputError(f"line {number} of {path} is not an id with 1, 0 or -1; fetch it again")
        said[parts[0]] = int(parts[1])
    missing = [name for name in images.names if Path(name).stem not in said]
    if missing:
        raise InputError(f"{path} says nothing of {len(missing)} images, first {missing[0]}; fetch it again")
    return np.array([said[Path(name).stem] for name in images.names], dtype=np.int8)
