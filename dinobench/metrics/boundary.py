"""Boundary F-measure of two masks, as the official DAVIS kit counts it."""

from __future__ import annotations

from math import ceil, hypot, isqrt

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]


def boundary_map(mask: BoolArray) -> BoolArray:
    """Pixels that differ from their right, lower or lower-right neighbor.

    The last row and column are repeated outwards, so a mask that fills the image has no boundary.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    return (here ^ padded[:-1, 1:]) | (here ^ padded[1:, :-1]) | (here ^ padded[1:, 1:])


def boundary_f_measure(
    truth: BoolArray, prediction: BoolArray, void: BoolArray | None = None, tolerance: float = 0.008
) -> float:
    """Harmonic mean of the shares of predicted and true boundary that lie within reach of the other.

    Reach is a disk of radius ceil(tolerance x image diagonal). Two empty boundaries score 1, one empty boundary 0.

    Args:
        truth: (H, W) bool.
        prediction: (H, W) bool.
        void: (H, W) bool, pixels taken out of both masks first.
        tolerance: share of the image diagonal.
    """
    if void is not None:
        truth, prediction = truth & ~void, prediction & ~void
    radius = ceil(tolerance * hypot(*truth.shape))
    window = _occupied_window(truth | prediction)
    true_boundary, found_boundary = boundary_map(truth[window]), boundary_map(prediction[window])
    true_length, found_length = np.count_nonzero(true_boundary), np.count_nonzero(found_boundary)
    if true_length == 0 or found_length == 0:
        return float(true_length == found_length)
    precision = _count_within(found_boundary, true_boundary, radius) / found_length
    recall = _count_within(true_boundary, found_boundary, radius) / true_length
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _occupied_window(mask: BoolArray) -> tuple[slice, slice]:
    """The bounding box of `mask`, one pixel wider: outside it neither mask has a boundary."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return slice(0, 1), slice(0, 1)
    return (slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2))


def _count_within(points: BoolArray, targets: BoolArray, radius: int) -> int:
    """How many of `points` have one of `targets` within `radius`.

    A running count along the flattened, padded rows answers "is there a target in this stretch of this row" with one
    subtraction; a disk is 2 radius + 1 stretches. Boundaries are thin, so this beats dilating the whole image.
    """
    stride = targets.shape[1] + 2 * radius
    running = np.concatenate(([0], np.cumsum(np.pad(targets, radius), dtype=np.int32)))
    missing = np.flatnonzero(np.pad(points, radius))
    total = missing.size
    for offset in sorted(range(-radius, radius + 1), key=abs):
        half_width = isqrt(radius**2 - offset**2)
        start = missing + (offset * stride - half_width)
        missing = missing[running[start + (2 * half_width + 1)] == running[start]]
    return int(total - missing.size)
