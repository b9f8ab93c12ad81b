"""NYU Depth's twin: drawn scenes with depth maps in the tree of BTS and DINOv3."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.layouts.nyu import PER_METER
from dinobench.data.twins._depths import draw_depth_scene, save_counts
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_COUNTS = {"train": 8, "test": 4}
_SIZE, _FAR, _FOCAL, _BORDER = (640, 480), 8.0, 518.8579, 10


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 8 and 4 scenes (ten times as many when not `small`), with a border of unknown depth."""
    rng = np.random.default_rng([seed, 2])
    for split, count in _COUNTS.items():
        lines = []
        for number in range(count if small else 10 * count):
            pixels, depth = draw_depth_scene(rng, *_SIZE, _FAR)
            counts = np.zeros(depth.shape, dtype=np.uint16)
            inner = slice(_BORDER, -_BORDER)
            counts[inner, inner] = np.rint(PER_METER * depth[inner, inner])
            scene = f"room_{number % 2:04d}" if split == "train" else "official_room"
            image, map_ = f"{scene}/rgb_{number:05d}.jpg", f"{scene}/sync_depth_{number:05d}.png"
            save_jpeg(root / image, pixels)
            save_counts(root / map_, counts)
            lines.append(f"/{image} /{map_} {_FOCAL}\n")
        write_text_atomically(root / f"nyu_{split}.txt", "".join(lines))
