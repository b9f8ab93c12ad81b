"""Scenes drawn with a class for every pixel: sky above, road below, houses between, and objects in front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinobench.data import mini
from dinobench.data.masks import Labels

_GROUNDS = ("sky", "brick", "sand")
KINDS = len(_GROUNDS) + len(mini.CLASSES)


def draw_scene(rng: np.random.Generator, width: int, height: int) -> tuple[NDArray[np.uint8], Labels]:
    """One scene.

    Returns:
        The image (height, width, 3), and (height, width) kinds: 0 sky, 1 houses, 2 road, 3 + n an object of class n.
    """
    horizon, kerb = rng.uniform(0.15, 0.35) * height, rng.uniform(0.55, 0.75) * height
    rows = np.searchsorted((horizon, kerb), np.arange(height)).astype(np.uint8)
    kinds: Labels = np.repeat(rows[:, None], width, axis=1)
    canvas = np.zeros((height, width, 3), dtype=np.float32)
    for kind, context in enumerate(_GROUNDS):
        canvas[kinds == kind] = mini.draw_backdrop(context, rng, max(width, height))[:height, :width][kinds == kind]
    for _ in range(rng.integers(2, 6)):
        label = int(rng.integers(len(mini.CLASSES)))
        covered = mini.paint(canvas, mini.thing_of(label, rng), mini.random_pose(rng, 0.1, 0.35, reach=0.7))
        kinds[covered > 0.5] = len(_GROUNDS) + label
    return mini.finish(mini.light(canvas, rng), rng), kinds
