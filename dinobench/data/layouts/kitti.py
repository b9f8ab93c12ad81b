"""KITTI's depth in Eigen's split: photos of streets with a sparse depth map each, 256 counts to a meter."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._depth_maps import Counts, paired_images, pairs_of, read_counts
from dinobench.data.layouts._places import folder_with
from dinobench.runtime.errors import InputError

DATASETS = ("kitti",)
FOLDERS = {"KITTI": "kitti"}
PER_METER = 256.0
"""Values of a depth map that are one meter."""
EXPECTED_TREE = """ROOT/
  kitti_eigen_train.txt, kitti_eigen_test.txt     an image, its depth map (or None) and the focal length a line
  input/<date>/<drive>/image_02/data/*.png
  gt_depth/<drive>/proj_depth/groundtruth/image_02/*.png      16 bits, 256 to a meter, 0 unknown
23,158 training and 652 test images have a depth map: https://www.cvlibs.net/datasets/kitti, lists as in
https://github.com/zhyever/Monocular-Depth-Estimation-Toolbox"""
_LISTS = {"train": "kitti_eigen_train.txt", "val": "kitti_eigen_test.txt", "test": "kitti_eigen_test.txt"}


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train", or of "val" (the test split), unlabeled; `depth_counts` gives their maps.

    Raises:
        InputError: no list, or an image or a depth map of it is missing.
    """
    base = folder_with(root, [_LISTS["val"]])
    listing = _list_of(base, split)
    pairs = pairs_of(listing)
    images = [f"input/{name}" for name in pairs]
    return paired_images(f"kitti/{split}", base, images, [f"gt_depth/{name}" for name in pairs.values()], listing)


def depth_counts(images: ImageSet, index: int, eight_bits: bool = False) -> Counts:
    """(H, W) values of an image's depth map, 0 unknown, which most pixels are."""
    return read_counts(annotation_files(images.subset([index]))[0], eight_bits)


def annotation_files(images: ImageSet) -> list[Path]:
    """The depth maps of a set."""
    assert images.root is not None  # `open` sets it
    pairs = pairs_of(_list_of(images.root, images.name.rpartition("/")[2]))
    return [images.root / "gt_depth" / pairs[name.removeprefix("input/")] for name in images.names]


def _list_of(base: Path, split: str) -> Path:
    if split not in _LISTS:
        raise InputError(f"KITTI's depth has no split {split}; give train, val or test")
    return base / _LISTS[split]
