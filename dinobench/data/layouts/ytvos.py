"""YouTube-VOS: masks at every fifth frame, objects that enter later."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts._videos import check_videos, mask_files, open_videos, read_video, video_names
from dinobench.data.registry import Findings

__all__ = ["DATASETS", "EXPECTED_TREE", "check", "mask_files", "open", "read_video", "video_names"]

DATASETS = ("ytvos",)
EXPECTED_TREE = """ROOT/                                          (or ROOT/train, ROOT/valid)
  JPEGImages/<video>/00000.jpg 00005.jpg ...    every fifth frame, or all frames (train_all_frames)
  Annotations/<video>/00000.png 00005.png ...   pixel values are object numbers
  meta.json                                     optional: {"videos": {VIDEO: {"objects": {"1": ...}}}}
3471 training videos, 6459 objects (2019): https://youtube-vos.org/dataset/vos
The masks of the validation set are not public: its folder holds the first mask of each object."""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """Every frame of the split's videos, unlabeled; InputError where there are none."""
    return open_videos(root, split, "ytvos")


def check(root: Path) -> Findings:
    """Videos, frames, masks and objects, and every video that cannot be scored."""
    return check_videos(root)
