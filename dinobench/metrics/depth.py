"""Depth: which pixels count, and the errors of each image that benchmarks report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DepthArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Area = Literal["whole", "eigen", "garg"]
NAMES = ("rmse", "abs_rel", "delta1", "delta2", "delta3")
_THRESHOLD = 1.25
# Edges (top, bottom, left, right) of the part of an image that counts, as shares of its sides.
_EIGEN_NYU = (45 / 480, 471 / 480, 41 / 640, 601 / 640)
_GARG_KITTI = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
_EDGES: dict[Area, tuple[float, float, float, float]] = {
    "whole": (0.0, 1.0, 0.0, 1.0),
    "eigen": _EIGEN_NYU,
    "garg": _GARG_KITTI,
}


@dataclass(frozen=True)
class DepthErrors:
    """Of one image, means over the pixels that count; NaN where none does.

    Attributes:
        rmse: root of the mean squared difference, in meters.
        abs_rel: difference over the true depth.
        delta1, delta2, delta3: share of pixels within a factor of 1.25, its square and its cube.
    """

    rmse: float
    abs_rel: float
    delta1: float
    delta2: float
    delta3: float


def counted_pixels(truth: DepthArray, low: float, high: float, area: Area) -> BoolArray:
    """(H, W): where the true depth lies between `low` and `high`, both left out, within the part that counts.

    Args:
        truth: (H, W) meters; 0 is unknown.
        low: meters.
        high: meters.
        area: "eigen": NYU's valid border; "garg": KITTI's lower part; "whole".
    """
    height, width = truth.shape
    top, bottom, left, right = _EDGES[area]
    inside = np.zeros(truth.shape, dtype=bool)
    inside[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    counted: BoolArray = inside & (truth > low) & (truth < high)
    return counted


def depth_errors(truth: DepthArray, predicted: DepthArray, counted: BoolArray) -> DepthErrors:
    """The errors of a prediction (H, W), both above 0, over the pixels that count."""
    true, found = truth[counted].astype(np.float64), predicted[counted].astype(np.float64)
    if not len(true):
        return DepthErrors(*[float("nan")] * len(NAMES))
    ratio = np.maximum(true / found, found / true)
    shares = [float((ratio < _THRESHOLD**power).mean()) for power in (1, 2, 3)]
    difference = true - found
    return DepthErrors(float(np.sqrt(np.square(difference).mean())), float((np.abs(difference) / true).mean()), *shares)
