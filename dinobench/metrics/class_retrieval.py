"""Retrieval of images of the same class: recall at k, R-precision and mAP at R (Musgrave et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinobench.metrics.average_precision import list_precisions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ClassRetrievalScores:
    """Of each query, as shares of 1.

    Attributes:
        recalls: (M,) whether one of the first k is of the query's class, by k.
        r_precision: (M,) share of the first R that is of the class, R being the number of all others of it.
        map_at_r: (M,) mean over the first R places of the precision there, places of other classes counting 0.
    """

    recalls: dict[int, FloatArray]
    r_precision: FloatArray
    map_at_r: FloatArray


def class_retrieval_scores(
    same: NDArray[np.bool_], relevant: NDArray[np.int64], ks: tuple[int, ...]
) -> ClassRetrievalScores:
    """Scores of ranked lists.

    Args:
        same: (M, K) whether the image at each place is of the query's class, the query itself left out.
        relevant: (M,) R of each query, from 1 to K.
        ks: places up to which recall looks, at most K.

    Raises:
        ValueError: a list is shorter than R or k.
    """
    places = same.shape[1]
    if len(same) and (relevant.min() < 1 or max(int(relevant.max()), *ks) > places):
        raise ValueError(f"lists of {places} images are too short for R of {relevant.max()} and k of {max(ks)}")
    counted = same & (np.arange(places) < relevant[:, None])
    recalls: dict[int, FloatArray] = {k: np.asarray(same[:, :k].any(1), np.float64) for k in ks}
    return ClassRetrievalScores(
        recalls,
        counted.sum(1) / relevant,
        list_precisions(counted, relevant),
    )
