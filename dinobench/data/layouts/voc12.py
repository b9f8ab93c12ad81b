"""PASCAL VOC 2012 segmentation: photos with a number per object."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.check import check_splits
from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts._files import missing_files, read_lines, refuse_missing
from dinobench.data.layouts._walk import subfolders
from dinobench.data.masks import VOID, Labels, read_labels
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError

DATASETS = ("voc12",)
EXPECTED_TREE = """ROOT/VOCdevkit/VOC2012/      (ROOT may also be VOCdevkit or VOC2012 itself)
  ImageSets/Segmentation/{train,val}.txt       ids, one per line
  JPEGImages/<id>.jpg
  SegmentationObject/<id>.png                  pixel values are object numbers, 255 is void
  SegmentationClass/<id>.png                   optional here: its void pixels count too
1464 train and 1449 val images: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The segmented images of "train" or "val", unlabeled; `object_labels` gives their masks.

    Raises:
        InputError: no list of ids, or a photo or an object mask is missing.
    """
    base = devkit_folder(root)
    listing = base / "ImageSets" / "Segmentation" / f"{split}.txt"
    ids = read_lines(listing)
    names = [f"JPEGImages/{name}.jpg" for name in ids]
    refuse_missing(base, names, listing)
    refuse_missing(base, [f"SegmentationObject/{name}.png" for name in ids], listing)
    return from_files(f"voc12/{split}", base, names, [UNLABELED] * len(names), ())


def check(root: Path) -> Findings:
    """Images of each split that is there, and what is missing."""
    lists = devkit_folder(root) / "ImageSets" / "Segmentation"
    present = [split for split in ("train", "val") if (lists / f"{split}.txt").is_file()]
    return check_splits(open, root, present or ["val"])


def object_labels(images: ImageSet, index: int) -> Labels:
    """(H, W) object numbers of one image, 0 background, 255 void.

    Void is what either the object or the class mask calls so.
    """
    assert images.root is not None  # `open` sets it
    identity = Path(images.names[index]).stem
    labels = read_labels(images.root / "SegmentationObject" / f"{identity}.png")
    if missing_files(images.root, [f"SegmentationClass/{identity}.png"]):
        return labels
    classes = read_labels(images.root / "SegmentationClass" / f"{identity}.png")
    if classes.shape != labels.shape:
        raise InputError(f"object and class mask of {identity} in {images.root} differ in size; fetch them again")
    return np.where(classes == VOID, VOID, labels).astype(np.uint8)


def mask_files(images: ImageSet) -> list[Path]:
    """Object masks of all images, then the class masks that are there."""
    assert images.root is not None  # `open` sets it
    found = [
        images.root / kind / f"{Path(name).stem}.png"
        for kind in ("SegmentationObject", "SegmentationClass")
        for name in images.names
    ]
    return [path for path in found if path.is_file()]


def devkit_folder(root: Path) -> Path:
    """The folder VOC2012 at, below or above `root`."""
    inner = Path("VOCdevkit", "VOC2012")
    below = [root / name / part for name in subfolders(root) for part in (inner, inner.name, "")]
    candidates = (root / inner, root / inner.name, root, *below)
    return next((path for path in candidates if (path / "ImageSets").is_dir()), candidates[0])
