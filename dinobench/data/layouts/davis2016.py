"""DAVIS 2016: the same tree as DAVIS 2017, its own list of sequences, one object per sequence."""

from __future__ import annotations

from pathlib import Path

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts import davis
from dinobench.data.registry import Findings

DATASETS = ("davis2016",)
EXPECTED_TREE = """ROOT/                                          (a DAVIS 2017 folder with ImageSets/2016 serves too)
  ImageSets/2016/val.txt                       names of sequences; or ImageSets/480p/val.txt of the 2016 release
  JPEGImages/480p/<sequence>/00000.jpg ...
  Annotations/480p/<sequence>/00000.png ...    everything that is not 0 is the object
20 sequences, 1376 frames: https://davischallenge.org/davis2016/code.html"""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """Every frame of the split's sequences, unlabeled; InputError where there are none."""
    return davis.frames_of(root, f"davis2016/{split}", davis.sequence_names(root, split, "2016"))


def check(root: Path) -> Findings:
    """Sequences and frames of the validation list, and every sequence that cannot be scored."""
    return davis.check_sequences(root, "2016", merged=True)
