"""Cityscapes: street photographs with one of 19 scored classes for every pixel."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._class_masks import masked_images, read_classes, table_of
from dinobench.data.layouts._walk import Walk
from dinobench.data.masks import Labels
from dinobench.runtime.errors import InputError

DATASETS = ("cityscapes",)
CLASSES = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
EXPECTED_TREE = """ROOT/
  leftImg8bit/{train,val}/<city>/<id>_leftImg8bit.png
  gtFine/{train,val}/<city>/<id>_gtFine_labelIds.png     official ids 0 to 33, of which 19 are scored
2975 train and 500 val images: https://www.cityscapes-dataset.com (leftImg8bit and gtFine, trainvaltest)"""
_ENDING = "_leftImg8bit"
_TABLE = table_of(
    list(CLASSES.values()), [value for value in (*range(34), 255) if value not in set(CLASSES.values())]
)  # the licence plate is -1, which is 255 in eight bits


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" or "val", unlabeled; `class_labels` gives their masks.

    Raises:
        InputError: no such folder, or an image without its mask.
    """
    folder = f"leftImg8bit/{split}"
    if not (root / folder).is_dir():
        raise InputError(f"{root} has no folder {folder}/; `dinobench data check cityscapes` prints the expected tree")
    names = [name for name in Walk(root, folder).images(folder) if Path(name).stem.endswith(_ENDING)]
    masks = [_mask_of(name) for name in names]
    return masked_images(f"cityscapes/{split}", root, names, masks, tuple(CLASSES), root / folder)


def class_labels(images: ImageSet, index: int) -> Labels:
    """(H, W) classes 0 to 18 of one image, in the official order; what is not scored is void, 255."""
    assert images.root is not None  # `open` sets it
    return read_classes(images.root / _mask_of(images.names[index]), _TABLE)


def annotation_files(images: ImageSet) -> list[Path]:
    """The masks of a set."""
    assert images.root is not None  # `open` sets it
    return [images.root / _mask_of(name) for name in images.names]


def _mask_of(name: str) -> str:
    _, split, *city, file = Path(name).parts
    return "/".join(("gtFine", split, *city, f"{Path(file).stem.removesuffix(_ENDING)}_gtFine_labelIds.png"))
