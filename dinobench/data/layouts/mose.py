"""MOSE: videos of crowded scenes in the tree of YouTube-VOS, masks at every frame of the training set."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._videos import check_videos, mask_files, open_videos, read_video, video_names
from dinobench.data.registry import Findings

__all__ = ["DATASETS", "EXPECTED_TREE", "check", "mask_files", "open", "read_video", "video_names"]

DATASETS = ("mose",)
EXPECTED_TREE = """ROOT/                                          (or ROOT/train, ROOT/valid)
  JPEGImages/<video>/00000.jpg 00001.jpg ...
  Annotations/<video>/00000.png 00001.png ...   pixel values are object numbers
  meta_train.json                               optional: {"videos": {VIDEO: {"objects": {"1": ...}}}}
1507 training videos: https://github.com/henghuiding/MOSE-api
The masks of the validation set are not public: its folder holds the first mask of each video."""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """Every frame of the split's videos, unlabeled; InputError where there are none."""
    return open_videos(root, split, "mose")


def check(root: Path) -> Findings:
    """Videos, frames, masks and objects, and every video that cannot be scored."""
    return check_videos(root)
