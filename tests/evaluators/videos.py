"""A tiny DAVIS folder: textured squares that slide over a textured ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dinobench.data.masks import write_labels


def write_davis(
    root: Path, sequences: Sequence[str] = ("one", "two"), frames: int = 6, size: tuple[int, int] = (64, 128)
) -> Path:
    """Sequences have one and two objects in turn; frames are (height, width)."""
    for number, name in enumerate(sequences):
        write_sequence(root, name, 1 + number % 2, frames, size)
    for year in ("2016", "2017"):
        (root / "ImageSets" / year).mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / year / "val.txt").write_text("\n".join(sequences) + "\n")
    return root


def write_sequence(root: Path, name: str, objects: int, frames: int, size: tuple[int, int]) -> None:
    """Frames and masks of one sequence."""
    rng = np.random.default_rng(len(name) + objects)
    height, width = size
    ground = rng.integers(90, 140, (height, width, 3))
    things = rng.integers(0, 256, (objects, 1, 1, 3)) * np.ones((1, 20, 20, 1))
    (root / "JPEGImages" / "480p" / name).mkdir(parents=True)
    for time in range(frames):
        pixels, labels = ground.copy(), np.zeros(size, dtype=np.uint8)
        for index in range(objects):
            top, left = 8 + 24 * index, 10 + 6 * time
            pixels[top : top + 20, left : left + 20] = things[index]
            labels[top : top + 20, left : left + 20] = index + 1
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"JPEGImages/480p/{name}/{time:05d}.jpg", quality=95)
        write_labels(root / f"Annotations/480p/{name}/{time:05d}.png", labels)
