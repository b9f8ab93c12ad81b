"""ADE20K's twin: drawn scenes with class masks in the tree of the scene parsing challenge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.masks import write_labels
from dinobench.data.twins._drawing import save_jpeg
from dinobench.data.twins._streets import draw_scene

_COUNTS = {"training": 12, "validation": 6}


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 12 and 6 scenes (ten times as many when not `small`), of two shapes, with a frame of no class."""
    base, rng = root / "ADEChallengeData2016", np.random.default_rng([seed, 150])
    for split, count in _COUNTS.items():
        for number in range(count if small else 10 * count):
            pixels, kinds = draw_scene(rng, *((128, 96) if number % 3 else (96, 112)))
            labels = kinds + np.uint8(1)
            labels[:, :3] = 0
            name = f"ADE_{'train' if split == 'training' else 'val'}_{number + 1:08d}"
            save_jpeg(base / "images" / split / f"{name}.jpg", pixels)
            write_labels(base / "annotations" / split / f"{name}.png", labels)
