"""PASCAL VOC 2012 segmentation: photos with a class for every pixel."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.check import check_splits
from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._class_masks import masked_images, read_classes, table_of
from dinobench.data.layouts._files import read_lines
from dinobench.data.layouts.voc12 import devkit_folder
from dinobench.data.masks import Labels
from dinobench.data.registry import Findings

DATASETS = ()  # the data set is voc12's
CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
EXPECTED_TREE = """ROOT/VOCdevkit/VOC2012/      (ROOT may also be VOCdevkit or VOC2012 itself)
  ImageSets/Segmentation/{train,val}.txt       ids, one per line; trainaug.txt for SBD's 10,582 masks
  JPEGImages/<id>.jpg
  SegmentationClass/<id>.png                   pixel values are classes 0 to 20, 255 is void
  SegmentationClassAug/<id>.png                of the split trainaug, for --set train_split=trainaug
1464 train and 1449 val images: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"""
_TABLE = table_of(range(len(CLASSES)))


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The segmented images of "train", "val" or "trainaug", unlabeled; `class_labels` gives their masks.

    Raises:
        InputError: no list of ids, or a photo or a mask is missing.
    """
    base = devkit_folder(root)
    listing = base / "ImageSets" / "Segmentation" / f"{split}.txt"
    ids = read_lines(listing)
    names = [f"JPEGImages/{name}.jpg" for name in ids]
    masks = [f"{_mask_folder(split)}/{name}.png" for name in ids]
    return masked_images(f"voc12/{split}", base, names, masks, CLASSES, listing)


def check(root: Path) -> Findings:
    """Images of each split that is there, and what is missing."""
    lists = devkit_folder(root) / "ImageSets" / "Segmentation"
    present = [split for split in ("train", "val") if (lists / f"{split}.txt").is_file()]
    return check_splits(open, root, present or ["val"])


def class_labels(images: ImageSet, index: int) -> Labels:
    """(H, W) classes of one image, 0 background, 255 void."""
    return read_classes(_mask_of(images, images.names[index]), _TABLE)


def annotation_files(images: ImageSet) -> list[Path]:
    """The masks of a set."""
    return [_mask_of(images, name) for name in images.names]


def _mask_of(images: ImageSet, name: str) -> Path:
    assert images.root is not None  # `open` sets it
    return images.root / _mask_folder(images.name.partition("/")[2]) / f"{Path(name).stem}.png"


def _mask_folder(split: str) -> str:
    return "SegmentationClassAug" if split == "trainaug" else "SegmentationClass"
