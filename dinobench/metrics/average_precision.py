"""Average precision: of ranked lists, and of a class over images that may hold several (PASCAL VOC)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
LabelArray = NDArray[np.int8]
_PLACES = np.linspace(0, 1, 11)


def average_precision(scores: FloatArray, labels: LabelArray, weights: FloatArray | None = None) -> float:
    """Area below the steps of precision over recall: the mean precision at the positives; NaN without one.

    Args:
        scores: (N,) higher means more likely; equal scores keep the order of the images.
        labels: (N,) 1, -1, or 0 for images that count for nothing.
        weights: (N,) how often each image is drawn, once by default.
    """
    precision, _, steps = _curve(scores, labels, weights)
    return float((precision * steps).sum()) if len(steps) else float("nan")


def list_precisions(same: NDArray[np.bool_], relevant: NDArray[np.int64]) -> FloatArray:
    """(M,) mean precision at the relevant places of ranked lists, those beyond the list counting 0.

    Args:
        same: (M, K) whether each place is relevant.
        relevant: (M,) how many relevant images there are.
    """
    precision = np.cumsum(same, axis=1) / np.arange(1, same.shape[1] + 1)
    found: FloatArray = (precision * same).sum(1) / relevant
    return found


def eleven_point_precision(scores: FloatArray, labels: LabelArray) -> float:
    """Mean over recalls of 0, 0.1, ... 1 of the best precision at that recall or beyond (VOC 2007); NaN without one."""
    precision, recall, steps = _curve(scores, labels, None)
    if not len(steps):
        return float("nan")
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(best[np.searchsorted(recall, _PLACES - 1e-12)].mean())


def map_interval(scores: FloatArray, labels: LabelArray, repeats: int = 500, seed: int = 0) -> tuple[float, float]:
    """95% percentile interval of the mean over classes of the average precision when images are drawn again.

    Args:
        scores: (N, C).
        labels: (N, C), see `average_precision`.
        repeats: resamples.
        seed: of the draws.
    """
    rng, images = np.random.default_rng(seed), len(scores)
    means = []
    for _ in range(repeats):
        weights = rng.multinomial(images, np.full(images, 1 / images)).astype(np.float64)
        found = [average_precision(*columns, weights) for columns in zip(scores.T, labels.T, strict=True)]
        means.append(mean_of_known(np.array(found)))
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def mean_of_known(values: FloatArray) -> float:
    """Mean of the values that are no NaN; 0 where all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _curve(
    scores: FloatArray, labels: LabelArray, weights: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Precision and recall after each image, best first, and by how much each raises recall; empty without positive."""
    counted = labels != 0
    weights = np.ones(len(labels)) if weights is None else weights
    order = np.argsort(-scores[counted], kind="stable")
    positive, drawn = (labels[counted] == 1)[order] * weights[counted][order], weights[counted][order]
    total = positive.sum()
    if not total:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    hits = np.cumsum(positive)
    return hits / np.maximum(np.cumsum(drawn), 1), hits / total, positive / total
