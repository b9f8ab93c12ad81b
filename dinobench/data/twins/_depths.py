"""Scenes drawn with a depth for every pixel: a floor that recedes, a wall behind, and objects in front."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.picture_files import write_picture
from dinobench.data.twins._streets import draw_scene
from dinobench.runtime.files import atomic_path

_OBJECTS_FROM = 3


def draw_depth_scene(
    rng: np.random.Generator, width: int, height: int, far: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """One scene, drawn at a fifth of its size.

    Returns:
        The image (height, width, 3), and (height, width) meters: houses at `far`, the sky beyond, objects nearer.
    """
    pixels, kinds = draw_scene(rng, width // 5, height // 5)
    rows = np.linspace(1.0, 0.0, kinds.shape[0])[:, None]
    depth = np.where(kinds == 2, far * (0.15 + 0.85 * rows), far) * np.ones(kinds.shape)
    depth[kinds == 0] = 1.25 * far
    for kind in range(_OBJECTS_FROM, int(kinds.max()) + 1):
        depth[kinds == kind] = far * rng.uniform(0.2, 0.6)
    size = (width, height)
    large = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    return large, np.asarray(Image.fromarray(depth).resize(size, Image.Resampling.NEAREST))


def save_counts(path: Path, counts: NDArray[np.uint16]) -> None:
    """Write (H, W) values as a gray PNG of 16 bits, folders included."""
    with atomic_path(path) as temporary:
        write_picture(temporary, Image.fromarray(counts), "PNG")
