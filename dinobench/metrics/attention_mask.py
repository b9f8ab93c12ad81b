"""Masks from the class token's attention, and how well they cover objects (Figures 1, 3 and 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinobench.metrics.boundary import BoolArray
from dinobench.metrics.segmentation import VOID, FloatArray, LabelArray, count_pixels


def attention_masks(attention: NDArray[np.floating], share: float) -> BoolArray:
    """Keep the patches with the highest weights that hold `share` of the mass, per head.

    Weights are sorted upwards and kept from where their running sum is strictly above 1 - share; equal weights are
    taken in the order of the patches.

    Args:
        attention: (heads, n) weights of the class token over the patches, without the class token's own; any sum.
        share: mass to keep, in (0, 1).

    Returns:
        (heads, n) bool.
    """
    weights = attention.astype(np.float64)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    order = np.argsort(weights, axis=-1, kind="stable")
    kept = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1) > 1 - share
    masks = np.empty_like(kept)
    np.put_along_axis(masks, order, kept, axis=-1)
    return masks


def enlarge_masks(masks: BoolArray, factor: int) -> BoolArray:
    """(..., h, w) to (..., factor h, factor w) by repeating every cell."""
    return masks.repeat(factor, axis=-2).repeat(factor, axis=-1)


def object_numbers(truth: LabelArray) -> list[int]:
    """Object numbers in a (H, W) label map, without background (0) and void (255)."""
    return [int(number) for number in np.unique(truth) if number not in (0, VOID)]


def head_jaccard(masks: BoolArray, truth: LabelArray, *, void_left_out: bool) -> FloatArray:
    """Jaccard of every head's mask with every object.

    Args:
        masks: (heads, H, W) bool.
        truth: (H, W) object numbers, 0 background, 255 void.
        void_left_out: whether void pixels are ignored; otherwise they count as background.

    Returns:
        (objects, heads), objects in ascending order of their numbers.
    """
    considered = masks & (truth != VOID) if void_left_out else masks
    sizes = count_pixels(considered)
    rows = []
    for number in object_numbers(truth):
        inside = truth == number
        common = count_pixels(considered & inside)
        rows.append(common / (sizes + np.count_nonzero(inside) - common))
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(masks))


def best_head_jaccard(scores: FloatArray) -> float:
    """Mean over objects of the best head's Jaccard (dino issue 54); NaN without objects.

    Args:
        scores: (objects, heads).
    """
    return float(scores.max(axis=1).mean()) if scores.size else float("nan")
