"""COCO20k: 19,817 photos of COCO's training set of 2014, with a box for every object."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts._boxes import Boxes, as_boxes
from dinobench.data.layouts._files import read_lines, read_object, refuse_missing
from dinobench.runtime.errors import InputError

DATASETS = ("coco20k",)
SPLITS = ("train",)
EXPECTED_TREE = """ROOT/
  coco_20k_filenames.txt                         names of the images, one a line (in the repository of LOST)
  train2014/COCO_train2014_*.jpg
  annotations/instances_train2014.json
19817 images: https://cocodataset.org/#download, https://github.com/valeoai/LOST (datasets/)"""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The listed photos of the split "train", unlabeled; `object_boxes` gives their boxes.

    Raises:
        InputError: another split, no list, or a photo that it names is missing.
    """
    if split != "train":
        raise InputError(f"COCO20k is a part of train, and has no split '{split}'; leave split = train")
    listing = root / "coco_20k_filenames.txt"
    names = [f"train2014/{PurePosixPath(line).name}" for line in read_lines(listing)]
    refuse_missing(root, names, listing)
    return from_files(f"coco20k/{split}", root, names, [UNLABELED] * len(names), ())


def object_boxes(images: ImageSet, index: int) -> Boxes:
    """(n, 4) boxes of a photo, those of crowds left out, rounded to whole pixels as LOST's kit does."""
    (path,) = annotation_files(images)
    stem = PurePosixPath(images.names[index]).stem.rpartition("_")[2]
    if not stem.isdecimal():
        raise InputError(f"{images.names[index]} does not end in the number of a COCO image; fetch the list again")
    return _boxes_by_image(path).get(int(stem), np.zeros((0, 4)))


def annotation_files(images: ImageSet) -> list[Path]:
    """The one file of all boxes."""
    assert images.root is not None  # `open` sets it
    return [images.root / "annotations" / "instances_train2014.json"]


@lru_cache(maxsize=1)
def _boxes_by_image(path: Path) -> dict[int, Boxes]:
    found: dict[int, list[list[float]]] = {}
    try:
        for entry in read_object(path)["annotations"]:
            if not entry["iscrowd"]:
                found.setdefault(int(entry["image_id"]), []).append(_corners(entry["bbox"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} holds no annotations of instances ({error!r}); fetch it again") from error
    return {image: as_boxes(boxes, str(path)) for image, boxes in found.items()}


def _corners(box: Any) -> list[float]:
    left, top, width, height = (float(value) for value in box)
    return [float(round(value)) for value in (left, top, left + width, top + height)]
