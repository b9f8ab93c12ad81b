"""PASCAL VOC 2012 detection: photos with a box for every object."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._boxes import Boxes, open_voc, voc_annotations, voc_boxes

DATASETS: tuple[str, ...] = ()  # the data set is voc12's
SPLITS = ("trainval",)
EXPECTED_TREE = """ROOT/VOCdevkit/VOC2012/      (ROOT may also be VOCdevkit or VOC2012 itself)
  ImageSets/Main/trainval.txt                  ids, one per line
  JPEGImages/<id>.jpg
  Annotations/<id>.xml                         boxes of all objects
11540 trainval images: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The photos of a split, unlabeled; `object_boxes` gives their boxes. InputError where a file is missing."""
    return open_voc(root, split, "2012")


def object_boxes(images: ImageSet, index: int) -> Boxes:
    """(n, 4) boxes of all objects of a photo, difficult and truncated ones too."""
    return voc_boxes(images, index)


def annotation_files(images: ImageSet) -> list[Path]:
    """The files of boxes of a set."""
    return voc_annotations(images)
