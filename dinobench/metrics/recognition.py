"""Recognition among many classes, with queries of none: global average precision (GAP; Ypsilantis et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinobench.metrics.bootstrap import REPEATS

FloatArray = NDArray[np.float64]
NONE = -1
"""Label of a query that shows no known class."""
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, eq=False)
class Recognized:
    """One answer for each query.

    Attributes:
        predicted: (M,) classes.
        confidence: (M,) log odds of each, which stay apart where the kit's shares of 1 are all 1.
    """

    predicted: NDArray[np.int64]
    confidence: FloatArray


def recognize(similarities: FloatArray, neighbors: NDArray[np.int64], sharpness: float, classes: int) -> Recognized:
    """The class of each query by its neighbors: a class counts as its nearest member.

    Classes that no neighbor is of count with a similarity of 0 in the sum that makes the confidence.

    Args:
        similarities: (M, k) of the neighbors, nearest first.
        neighbors: (M, k) classes of these.
        sharpness: factor of similarities before they are exponentiated.
        classes: how many there are in all.
    """
    first = np.stack([(row[:, None] == row).argmax(1) == np.arange(len(row)) for row in neighbors])
    weights = np.where(first, np.exp(sharpness * similarities), 0.0)
    known = first.sum(1)
    others = weights[:, 1:].sum(1) + classes - known
    with np.errstate(divide="ignore"):  # the only class there is
        return Recognized(neighbors[:, 0], sharpness * similarities[:, 0] - np.log(others))


def global_average_precision(correct: NDArray[np.bool_], confidence: FloatArray, asked: int) -> float:
    """Precision at each right answer, all answers by falling confidence, over the number of queries of a known class.

    Args:
        correct: (M,) whether the answer is right.
        confidence: (M,) of it.
        asked: queries that show a known class.
    """
    if not asked:
        return float("nan")
    right = correct[np.argsort(-confidence, kind="stable")]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precision[right].sum() / asked)


def recognition_figures(
    correct: NDArray[np.bool_], confidence: FloatArray, known: NDArray[np.bool_]
) -> dict[str, float]:
    """`gap` of all queries, `gap_known` and `top1` of those that show a known class, as shares of 1.

    Args:
        correct: (M,) whether the answer is right.
        confidence: (M,) of it.
        known: (M,) whether the query shows a known class.
    """
    asked = int(known.sum())
    return {
        "gap": global_average_precision(correct, confidence, asked),
        "gap_known": global_average_precision(correct[known], confidence[known], asked),
        "top1": float(correct[known].mean()) if asked else float("nan"),
    }


def recognition_intervals(
    correct: NDArray[np.bool_], confidence: FloatArray, known: NDArray[np.bool_], repeats: int = REPEATS, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95% intervals of `recognition_figures` when the queries are drawn again."""
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(repeats):
        rows = rng.integers(len(correct), size=len(correct))
        drawn.append(recognition_figures(correct[rows], confidence[rows], known[rows]))
    edges = {name: np.nanpercentile([each[name] for each in drawn], _PERCENTILES) for name in drawn[0]}
    return {name: (float(low), float(high)) for name, (low, high) in edges.items()}
