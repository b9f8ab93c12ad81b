"""Photos of an object whose surface and camera are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, eq=False)
class PosedView:
    """One photo.

    Attributes:
        thing: name of the object.
        photo, depth: files of the photo and of the depth of its pixels.
        focal: length in pixels of the photo as it was taken.
        shorter: side of that photo, in pixels.
        pose: (4, 4) from the object's coordinates to the camera's (x to the right, y down, z ahead), in meters.
    """

    thing: str
    photo: Path
    depth: Path
    focal: float
    shorter: int
    pose: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeenView:
    """The pixels of a photo.

    Attributes:
        photo: upright as its camera held it.
        counts: (H, W) uint16 of its depth map, 0 where the object is not.
        meters: depth of such counts, float32; 0 where they are 0.
    """

    photo: Image.Image
    counts: NDArray[np.uint16]
    meters: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def rotation_of(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation of a quaternion (4,) w, x, y, z of any length above 0."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
