"""CIFAR's python batches, drawn."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.data.twins._drawing import draw_split
from dinobench.runtime.files import atomic_path


def draw_batch(split: str, classes: int, labels_key: str, *, seed: int, small: bool) -> dict[str, Any]:
    """One batch dictionary: rows of 3072 bytes (planes of red, green, blue), labels and file names."""
    drawn = list(draw_split(split, classes, 32, seed=seed, small=small))
    return {
        "data": np.stack([pixels.transpose(2, 0, 1).reshape(-1) for _, pixels in drawn]),
        labels_key: [label for label, _ in drawn],
        "filenames": [f"drawn_s_{position:06d}.png" for position in range(len(drawn))],
    }


def save_pickle(path: Path, content: dict[str, Any]) -> None:
    """Write a protocol-2 pickle whole, as the authors' files are."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(pickle.dumps(content, protocol=2))
