"""ImageNet's twin: {train,val}/<wnid>/*.JPEG of varying size and aspect."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data import mini
from dinobench.data.twins._drawing import draw_split, save_jpeg
from dinobench.data.twins._siblings import wnid_of

_SIDE = 160


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw the mini classes as folders of 16 of ImageNet's classes; 18 images per class, or 250 when not `small`."""
    for split in ("train", "val"):
        shapes = np.random.default_rng([seed, len(split)])
        for number, (label, pixels) in enumerate(draw_split(split, len(mini.CLASSES), _SIDE, seed=seed, small=small)):
            wnid = wnid_of(label)
            name = f"{wnid}_{number}.JPEG" if split == "train" else f"ILSVRC2012_val_{number + 1:08d}.JPEG"
            width, height = shapes.integers(_SIDE * 3 // 4, _SIDE, 2)
            save_jpeg(root / split / wnid / name, pixels[:height, :width])
