"""ADE20K of the scene parsing challenge: photos with one of 150 classes for every pixel."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._class_masks import masked_images, read_classes, table_of
from dinobench.data.layouts._files import read_lines
from dinobench.data.layouts._walk import Walk
from dinobench.data.masks import Labels
from dinobench.runtime.errors import InputError

DATASETS = ("ade20k",)
FOLDERS = {"ADEChallengeData2016": "ade20k", "ADE20K": "ade20k"}
COUNT = 150
EXPECTED_TREE = """ROOT/ADEChallengeData2016/      (ROOT may also be that folder itself)
  images/{training,validation}/ADE_*.jpg
  annotations/{training,validation}/ADE_*.png     pixel values are classes 1 to 150; 0 (other) is not scored
  objectInfo150.txt                               optional: names of the classes
20210 training and 2000 validation images: http://sceneparsing.csail.mit.edu"""
_SPLITS = {"train": "training", "val": "validation"}
_TABLE = table_of(range(1, COUNT + 1), (0, 255))


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" or "val", unlabeled; `class_labels` gives their masks.

    Raises:
        InputError: no such folder, or an image without its mask.
    """
    base = root / "ADEChallengeData2016"
    base = base if base.is_dir() else root
    folder = f"images/{_SPLITS.get(split, split)}"
    if not (base / folder).is_dir():
        raise InputError(f"{root} has no folder {folder}/; `dinobench data check ade20k` prints the expected tree")
    names = Walk(base, folder).images(folder)
    masks = [_mask_of(name) for name in names]
    return masked_images(f"ade20k/{split}", base, names, masks, _classes(base), base / folder)


def class_labels(images: ImageSet, index: int) -> Labels:
    """(H, W) classes 0 to 149 of one image; pixels of no class (0 in the file) are void, 255."""
    assert images.root is not None  # `open` sets it
    return read_classes(images.root / _mask_of(images.names[index]), _TABLE)


def annotation_files(images: ImageSet) -> list[Path]:
    """The masks of a set."""
    assert images.root is not None  # `open` sets it
    return [images.root / _mask_of(name) for name in images.names]


def _classes(base: Path) -> tuple[str, ...]:
    """Names from the data's own table, the first of several; numbers from 1 where the table is not there."""
    table = base / "objectInfo150.txt"
    numbers = tuple(str(number + 1) for number in range(COUNT))
    if not table.is_file():
        return numbers
    names = tuple(line.split("\t")[-1].split(",")[0].strip() for line in read_lines(table)[1:])
    if len(names) != COUNT:
        raise InputError(f"{table} names {len(names)} classes where ADE20K has {COUNT}; fetch it again or remove it")
    return tuple(
        f"{name} {number}" if names.count(name) > 1 else name for name, number in zip(names, numbers, strict=True)
    )


def _mask_of(name: str) -> str:
    return str(PurePosixPath("annotations", *PurePosixPath(name).parts[1:]).with_suffix(".png"))
