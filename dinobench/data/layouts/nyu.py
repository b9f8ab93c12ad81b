"""NYU Depth v2 as BTS and DINOv3 lay it out: photos of rooms with a depth map each, 1000 counts to a meter."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._depth_maps import Counts, paired_images, pairs_of, read_counts
from dinobench.data.layouts._places import folder_with
from dinobench.runtime.errors import InputError

DATASETS = ("nyu",)
FOLDERS = {"NYU": "nyu", "nyu_depth_v2": "nyu"}
PER_METER = 1000.0
"""Values of a depth map that are one meter."""
EXPECTED_TREE = """ROOT/
  nyu_train.txt, nyu_test.txt       an image, its depth map and the focal length a line, as
                                    /basement_0001a/rgb_00000.jpg /basement_0001a/sync_depth_00000.png 518.8579
                                    (or BTS's names, nyudepthv2_train_files_with_gt.txt and ..._test_...)
  <scene>/rgb_*.jpg
  <scene>/sync_depth_*.png          16 bits, 1000 to a meter, 0 unknown
24,231 training and 654 test images: https://github.com/cleinc/bts, or DINOv3's DATASETS.md"""
_SPLITS = {"train": "train", "val": "test", "test": "test"}
_LISTS = ("nyu_{}.txt", "nyudepthv2_{}_files_with_gt.txt")


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train", or of "val" (the test split), unlabeled; `depth_counts` gives their maps.

    Raises:
        InputError: no list, or an image or a depth map of it is missing.
    """
    base = folder_with(root, [name.format("test") for name in _LISTS])
    listing = _list_of(base, split)
    pairs = pairs_of(listing)
    return paired_images(f"nyu/{split}", base, list(pairs), list(pairs.values()), listing)


def depth_counts(images: ImageSet, index: int, eight_bits: bool = False) -> Counts:
    """(H, W) values of an image's depth map, 0 unknown."""
    return read_counts(annotation_files(images.subset([index]))[0], eight_bits)


def annotation_files(images: ImageSet) -> list[Path]:
    """The depth maps of a set."""
    assert images.root is not None  # `open` sets it
    pairs = pairs_of(_list_of(images.root, images.name.rpartition("/")[2]))
    return [images.root / pairs[name] for name in images.names]


def _list_of(base: Path, split: str) -> Path:
    if split not in _SPLITS:
        raise InputError(f"NYU Depth has no split {split}; give train, val or test")
    places = [base / name.format(_SPLITS[split]) for name in _LISTS]
    return next((path for path in places if path.is_file()), places[0])
