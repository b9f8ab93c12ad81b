"""Percentile bootstrap of means over images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

REPEATS = 2000
LEVEL = 95.0
_CELLS = 2**23  # drawn counts held at once


@dataclass(frozen=True)
class Difference:
    """Mean of A less mean of B over the same images.

    Attributes:
        value: the difference.
        low, high: its 95% interval.
        p_value: two-sided: twice (b + 1) / (n + 1), where b of n resamples lie on the far side of zero; never 0.
    """

    value: float
    low: float
    high: float
    p_value: float


def interval(values: ArrayLike, repeats: int = REPEATS, seed: int = 0) -> tuple[float, float]:
    """The 95% percentile interval of the mean of `values` (M,) when its M entries are drawn again with replacement.

    Raises:
        ValueError: no value.
    """
    low, high = np.percentile(resampled_means(values, repeats, seed), _PERCENTILES)
    return float(low), float(high)


def accuracy_interval(correct: ArrayLike, repeats: int = REPEATS, seed: int = 0) -> tuple[float, float]:
    """`interval` in percent, of (M,) booleans."""
    low, high = interval(correct, repeats, seed)
    return 100 * low, 100 * high


def class_mean_interval(
    values: ArrayLike, labels: ArrayLike, repeats: int = REPEATS, seed: int = 0
) -> tuple[float, float]:
    """The 95% percentile interval of the mean over classes of the mean of `values` (M,) within each of `labels` (M,).

    The M entries are drawn again; a class of which none is drawn is left out of that resample.

    Raises:
        ValueError: no value.
    """
    cells, counts = np.unique(
        np.stack([np.asarray(labels, np.float64), np.asarray(values, np.float64)]), axis=1, return_counts=True
    )
    images = int(counts.sum())
    if images == 0:
        raise ValueError("no value to resample")
    _, of = np.unique(cells[0], return_inverse=True)
    rng, classes = np.random.default_rng(seed), int(of.max()) + 1
    means = np.empty(repeats)
    for number in range(repeats):
        drawn = rng.multinomial(images, counts / images)
        total = np.bincount(of, drawn, classes)
        held = np.bincount(of, drawn * cells[1], classes)
        means[number] = (held[total > 0] / total[total > 0]).mean()
    low, high = np.percentile(means, _PERCENTILES)
    return float(low), float(high)


def paired_difference(a: ArrayLike, b: ArrayLike, repeats: int = REPEATS, seed: int = 0) -> Difference:
    """How far A's mean lies above B's when the same images are drawn for both.

    Args:
        a: (M,) one value per image, e.g. right or wrong; or (R, M) of several runs, which are drawn again too.
        b: (M,) or (S, M) values of the same images in the same order.
        repeats: resamples.
        seed: of the draws.

    Raises:
        ValueError: unequal numbers of images or no value.
    """
    one, other = (np.atleast_2d(np.asarray(values, np.float64)) for values in (a, b))
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"{one.shape[1]} values cannot be paired with {other.shape[1]}")
    if len(one) == len(other) == 1:
        means = resampled_means(one[0] - other[0], repeats, seed)
    else:
        means = _resampled_runs(one, other, repeats, seed)
    low, high = np.percentile(means, _PERCENTILES)
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p_value = min(1.0, 2 * (beyond + 1) / (len(means) + 1))
    return Difference(float(one.mean() - other.mean()), float(low), float(high), p_value)


def _resampled_runs(a: NDArray[np.float64], b: NDArray[np.float64], repeats: int, seed: int) -> NDArray[np.float64]:
    """(repeats,) differences of means of (R, M) and (S, M) when runs of each side and images of both are drawn."""
    rng = np.random.default_rng(seed)
    images = a.shape[1]
    if images == 0:
        raise ValueError("no value to resample")

    def mean_run(values: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = values[rng.integers(len(values), size=len(values))].mean(0)
        return mean

    draws = [(mean_run(a) - mean_run(b))[rng.integers(images, size=images)].mean() for _ in range(repeats)]
    return np.array(draws)


def resampled_means(values: ArrayLike, repeats: int = REPEATS, seed: int = 0) -> NDArray[np.float64]:
    """(repeats,) means of bootstrap resamples.

    How often each distinct value is drawn is multinomial, so right-or-wrong lists cost two counts per resample,
    whatever the number of images.
    """
    distinct, counts = np.unique(np.asarray(values, np.float64), return_counts=True)
    images = int(counts.sum())
    if images == 0:
        raise ValueError("no value to resample")
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // len(distinct))
    draws = [
        rng.multinomial(images, counts / images, min(step, repeats - start)) @ distinct
        for start in range(0, repeats, step)
    ]
    return np.concatenate(draws) / images


_PERCENTILES = ((100 - LEVEL) / 2, (100 + LEVEL) / 2)
