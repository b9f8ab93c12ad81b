"""Pairs of images that show points of the same name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(n, 2) x and y in pixels of an image."""


@dataclass(frozen=True)
class KeypointPair:
    """Two images of one category, and their common points.

    Attributes:
        name: of the pair.
        category: of both.
        source, target: their indices in the set.
        source_points, target_points: (n, 2) each, in the same order.
        target_extent: longer side of the object's box in the target, in pixels.
    """

    name: str
    category: str
    source: int
    target: int
    source_points: Points
    target_points: Points
    target_extent: float
