"""Semantic segmentation: pixels of each class that truth and prediction share, and the means that benchmarks report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinobench.metrics.bootstrap import REPEATS

VOID = 255
LabelArray = NDArray[np.uint8]
AreaArray = NDArray[np.int64]
Numbers = NDArray[np.int64] | NDArray[np.float64]
FloatArray = NDArray[np.float64]
_RESAMPLED_AT_ONCE = 2**22  # counts held at once


@dataclass(frozen=True)
class SegmentationMeans:
    """Shares of 1 over all images together, (...) each.

    Attributes:
        miou: mean over the classes of common pixels over their union; classes in neither map are left out.
        macc: mean over the classes of the truth of the share of their pixels that is found.
        aacc: share of all pixels that is right.
    """

    miou: FloatArray
    macc: FloatArray
    aacc: FloatArray


def class_areas(truth: LabelArray, prediction: LabelArray, classes: int) -> AreaArray:
    """(3, C) pixels of each class: those that both maps name, that the truth names, that the prediction names.

    Args:
        truth: (H, W) classes below `classes`; void pixels (255) count for nothing.
        prediction: (H, W) classes; a pixel that is predicted void is wrong.
        classes: C.
    """
    known = truth != VOID
    true, found = truth[known], prediction[known]
    counts = [np.bincount(values, minlength=256)[:classes] for values in (true[true == found], true, found)]
    return np.stack(counts).astype(np.int64)


def class_ious(areas: Numbers) -> FloatArray:
    """(..., C) intersection over union of each class, NaN where neither map has it; areas are (..., 3, C)."""
    common, truth, found = np.moveaxis(areas, -2, 0)
    return _ratio(common, truth + found - common)


def segmentation_means(areas: Numbers) -> SegmentationMeans:
    """The means of areas (..., 3, C)."""
    common, truth, _ = np.moveaxis(areas, -2, 0)
    return SegmentationMeans(
        _mean_of_known(class_ious(areas)),
        _mean_of_known(_ratio(common, truth)),
        common.sum(-1) / np.maximum(truth.sum(-1), 1),
    )


def mean_intervals(areas: AreaArray, repeats: int = REPEATS, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% percentile intervals of the three means when the images are drawn again with replacement.

    Args:
        areas: (N, 3, C) of each image.
        repeats: resamples.
        seed: of the draws.
    """
    images, rng = len(areas), np.random.default_rng(seed)
    flat = areas.reshape(images, -1).astype(np.float64)
    step = max(1, _RESAMPLED_AT_ONCE // max(images, flat.shape[1]))
    drawn: dict[str, list[FloatArray]] = {"miou": [], "macc": [], "aacc": []}
    for start in range(0, repeats, step):
        counts = rng.multinomial(images, np.full(images, 1 / images), min(step, repeats - start))
        means = segmentation_means((counts @ flat).reshape(-1, *areas.shape[1:]))
        for name, values in drawn.items():
            values.append(getattr(means, name))
    edges = {name: np.percentile(np.concatenate(values), (2.5, 97.5)) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in edges.items()}


def _ratio(part: Numbers, whole: Numbers) -> FloatArray:
    ratio: FloatArray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio


def _mean_of_known(values: FloatArray) -> FloatArray:
    known = ~np.isnan(values)
    total: FloatArray = np.where(known, values, 0).sum(-1) / np.maximum(known.sum(-1), 1)
    return total
