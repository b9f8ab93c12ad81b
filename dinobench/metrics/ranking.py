"""Average precision of rankings, as the revisited Oxford/Paris kit and the Holidays kit define it.

Positions count from 0 and are floats, infinite where a ranking stops before it reaches the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Positions = NDArray[np.float64]
Ids = NDArray[np.int64]

SETUPS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
"""Setup of Radenovic et al. (2018): the groups that count as positives, and those that are ignored."""


def trapezoid_ap(positions: ArrayLike, positives: int) -> float:
    """Area under the precision-recall curve by trapezoids.

    Args:
        positions: 0-based positions of the positives that were retrieved, in any order.
        positives: how many there are in the database, retrieved or not.

    Returns:
        In [0, 1]. A single positive at position r > 0 scores 1 / (2 (r + 1)).
    """
    found = _retrieved_positions(positions)
    hits = np.arange(len(found))
    before = np.divide(hits, found, out=np.ones(len(found)), where=found > 0)
    after = (hits + 1) / (found + 1)
    return float((before + after).sum() / (2 * positives))


def standard_ap(positions: ArrayLike, positives: int) -> float:
    """Mean over the positives of the precision at each: no trapezoids; otherwise as `trapezoid_ap`."""
    found = _retrieved_positions(positions)
    return float((np.arange(1, len(found) + 1) / (found + 1)).sum() / positives)


def precision_at(positions: ArrayLike, cutoffs: Sequence[int]) -> NDArray[np.float64]:
    """Share of positives among the first k, with k cut to the last positive retrieved (revisited kit).

    Returns:
        (len(cutoffs),); zeros where nothing was retrieved, which the kit does not define.
    """
    found = _retrieved_positions(positions)
    if len(found) == 0:
        return np.zeros(len(cutoffs))
    depth = np.minimum(found[-1] + 1, np.asarray(cutoffs))
    return np.asarray((found[None, :] < depth[:, None]).sum(axis=1) / depth)


def remove_positions(positions: Positions, ignored: Positions) -> Positions:
    """`positions` after the images at the `ignored` positions have left the ranking."""
    return positions - np.searchsorted(np.sort(ignored), positions)


def positions_in_list(ranked: ArrayLike, wanted: ArrayLike) -> Positions:
    """Where each wanted id stands in one ranking.

    Args:
        ranked: (n,) ids, best first; may stop before the end of the database.
        wanted: (m,) ids.

    Returns:
        (m,) positions.

    Raises:
        ValueError: an id occurs twice in the ranking, which could lift the average precision above 1.
    """
    ids, targets = np.asarray(ranked), np.asarray(wanted, dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        raise ValueError(f"id {repeated[0]} occurs more than once in a ranking")
    if len(ordered) == 0:
        return np.full(len(targets), np.inf)
    slot = np.minimum(np.searchsorted(ordered, targets), len(ordered) - 1)
    return np.where(ordered[slot] == targets, order[slot], np.inf)


def positions_by_similarity(similarities: NDArray[np.floating], wanted: ArrayLike) -> Positions:
    """Where each wanted image stands in the ranking by falling similarity, ties in the order of ids.

    Only the values above the worst wanted one are sorted, and never the ids.

    Args:
        similarities: (n,) of one query to every image.
        wanted: (m,) ids.

    Raises:
        ValueError: a similarity is not a number.
    """
    ids = np.asarray(wanted, dtype=np.int64)
    thresholds = similarities[ids]
    if np.isnan(similarities).any():
        raise ValueError("a similarity is not a number; the features hold NaN")
    if len(ids) == 0:
        return np.empty(0)
    contenders = np.sort(similarities[similarities >= thresholds.min()])
    above = len(contenders) - np.searchsorted(contenders, thresholds, side="right")
    equal = len(contenders) - above - np.searchsorted(contenders, thresholds)
    positions = above.astype(np.float64)
    for index in np.flatnonzero(equal > 1):
        positions[index] += np.count_nonzero(similarities[: ids[index]] == thresholds[index])
    return positions


def count_above(similarities: NDArray[np.floating], thresholds: NDArray[np.floating]) -> Positions:
    """How many similarities (n,) exceed each threshold (m,): what further images push a position down by."""
    if len(thresholds) == 0:
        return np.empty(0)
    contenders = np.sort(similarities[similarities > thresholds.min()])
    above = len(contenders) - np.searchsorted(contenders, thresholds, side="right")
    return np.asarray(above, dtype=np.float64)


@dataclass(frozen=True)
class SetupScores:
    """One setup over all queries.

    Attributes:
        ap: (queries,) average precision, NaN for a query without positives.
        precision: (queries, cutoffs), NaN likewise.
    """

    ap: NDArray[np.float64]
    precision: NDArray[np.float64]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(queries,) whether the query has a positive and so enters the means."""
        return ~np.isnan(self.ap)

    @property
    def mean_ap(self) -> float:
        """Mean AP over the counted queries, NaN where there is none."""
        return float(self.ap[self.counted].mean()) if self.counted.any() else float("nan")

    @property
    def mean_precision(self) -> NDArray[np.float64]:
        """(cutoffs,) mP@k over the counted queries, NaN where there is none."""
        if not self.counted.any():
            return np.full(self.precision.shape[1], np.nan)
        return np.asarray(self.precision[self.counted].mean(axis=0))


def score_setup(
    queries: Sequence[Mapping[str, Positions]], setup: str, cutoffs: Sequence[int] = (1, 5, 10)
) -> SetupScores:
    """AP and precision of every query in one of `SETUPS`.

    Args:
        queries: per query, the positions of its judged images by group: "easy", "hard", "junk". An image that a group
            repeats counts as one image retrieved, and as several positives, as in the revisited kit.
        setup: "easy", "medium" or "hard".
        cutoffs: the k of mP@k.
    """
    positive_groups, ignored_groups = SETUPS[setup]
    ap = np.full(len(queries), np.nan)
    precision = np.full((len(queries), len(cutoffs)), np.nan)
    for index, groups in enumerate(queries):
        positives = np.concatenate([groups[name] for name in positive_groups])
        ignored = np.unique(np.concatenate([groups[name] for name in ignored_groups]))
        if len(positives) == 0:
            continue
        shifted = remove_positions(np.unique(positives), ignored)  # an image that is listed twice is retrieved once
        ap[index] = trapezoid_ap(shifted, len(positives))
        precision[index] = precision_at(shifted, cutoffs)
    return SetupScores(ap, precision)


def retrieval_scores(
    similarities: ArrayLike,
    positives: Sequence[ArrayLike],
    ignored: Sequence[ArrayLike] | None = None,
    cutoffs: Sequence[int] = (1, 5, 10),
) -> SetupScores:
    """AP, by trapezoids, and precision of every query, from similarities of one's own.

    Args:
        similarities: (queries, N) of each query to each image, the larger the nearer, such as
            `query_features @ image_features.T`.
        positives: for each query the ids of its images, 0 to N - 1; a query without one leaves the means.
        ignored: for each query the ids that leave the ranking (junk, or the query itself); by default none.
        cutoffs: the k of the precision at k.

    Raises:
        ValueError: other numbers of queries, an id that is not an image, or a similarity that is not a number.
    """
    table = np.asarray(similarities)
    junk = [np.empty(0, np.int64)] * len(table) if ignored is None else ignored
    if table.ndim != 2 or not len(table) == len(positives) == len(junk):
        raise ValueError(f"similarities {table.shape} with {len(positives)} positives and {len(junk)} ignored lists")
    queries = []
    for row, wanted, left_out in zip(table, positives, junk, strict=True):
        ids = [np.asarray(each, np.int64) for each in (wanted, left_out)]
        if any(len(each) and not 0 <= each.min() <= each.max() < len(row) for each in ids):
            raise ValueError(f"an id is beyond 0 to {len(row) - 1}, the images that the similarities are of")
        queries.append(
            {name: positions_by_similarity(row, each) for name, each in zip(("hard", "junk"), ids, strict=True)}
        )
    return score_setup([{"easy": np.empty(0), **groups} for groups in queries], "hard", cutoffs)


def _retrieved_positions(positions: ArrayLike) -> Positions:
    values = np.asarray(positions, dtype=np.float64)
    return np.sort(values[np.isfinite(values)])
