"""PASCAL VOC 2007 detection: photos with a box for every object."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._boxes import Boxes, open_voc, voc_annotations, voc_boxes

DATASETS: tuple[str, ...] = ("voc07",)
SPLITS = ("trainval",)
EXPECTED_TREE = """ROOT/VOCdevkit/VOC2007/      (ROOT may also be VOCdevkit or VOC2007 itself)
  ImageSets/Main/trainval.txt                  ids, one per line
  JPEGImages/<id>.jpg
  Annotations/<id>.xml                         boxes of all objects
5011 trainval images: http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The photos of a split, unlabeled; `object_boxes` gives their boxes. InputError where a file is missing."""
    return open_voc(root, split, "2007")


def object_boxes(images: ImageSet, index: int) -> Boxes:
    """(n, 4) boxes of all objects of a photo, difficult and truncated ones too."""
    return voc_boxes(images, index)


def annotation_files(images: ImageSet) -> list[Path]:
    """The files of boxes of a set."""
    return voc_annotations(images)
