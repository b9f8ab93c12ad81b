"""A searched database of unit descriptors, with any number of distractors streamed behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.evaluators.common.search import search
from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.ranking import Positions, count_above, positions_by_similarity
from dinobench.metrics.search.neighbors import Neighbors
from dinobench.metrics.whitening import Whitening, l2_normalize

Matrix = NDArray[np.float32]

BLOCK_ROWS = 32768


def finished(features: Matrix, whitening: Whitening | None = None) -> Matrix:
    """Unit descriptors (n, k) float32 of raw ones (n, d), whitened where there is a whitening."""
    return np.asarray(l2_normalize(features if whitening is None else whitening.apply(features)), np.float32)


class Database:
    """Unit descriptors to rank; ids count the images first, then the distractors.

    Attributes:
        images: (n, k) in memory.
    """

    def __init__(
        self, images: Matrix, distractors: FeatureMatrix | None = None, whitening: Whitening | None = None
    ) -> None:
        self.images = images
        self._distractors = distractors
        self._whitening = whitening

    def __len__(self) -> int:
        return len(self.images) + (len(self._distractors) if self._distractors else 0)

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[Tensor]:
        """(about `rows`, k) at a time, in the order of ids; distractors are read from disk at every pass."""
        yield torch.from_numpy(self.images)
        yield from map(torch.from_numpy, self._stream_rows(rows))

    def positions(self, queries: Matrix, judged: Sequence[NDArray[np.int64]]) -> list[Positions]:
        """Where the judged images of each query stand among all; exact, and without sorting ids.

        Memory beyond the descriptors: the similarities to the images and to one block of distractors.

        Args:
            queries: (q, k), unit rows.
            judged: per query, ids below n.
        """
        similarities = queries @ self.images.T
        positions = [positions_by_similarity(row, ids) for row, ids in zip(similarities, judged, strict=True)]
        thresholds = [row[ids] for row, ids in zip(similarities, judged, strict=True)]
        for block in self._stream_rows(BLOCK_ROWS):
            for index, row in enumerate(queries @ block.T):
                positions[index] = positions[index] + count_above(row, thresholds[index])
        return positions

    def nearest(self, queries: Matrix, count: int, method: str, device: torch.device) -> Neighbors:
        """The `count` nearest of each query (q, k), nearest first, in memory of the CPU as all else here is.

        See `dinobench.evaluators.common.search`.
        """
        return search(torch.from_numpy(queries), self, min(count, len(self)), method, device).to(torch.device("cpu"))

    def rows(self, ids: NDArray[np.int64]) -> Matrix:
        """The descriptors of any array of ids: (..., k)."""
        found = np.empty((*ids.shape, self.images.shape[1]), np.float32)
        start = 0
        for block in self.blocks():
            here = (ids >= start) & (ids < start + len(block))
            found[here] = block.numpy()[ids[here] - start]
            start += len(block)
        return found

    def _stream_rows(self, rows: int) -> Iterator[Matrix]:
        for block in self._distractors.blocks(rows) if self._distractors else ():
            yield finished(block.numpy(), self._whitening)


def expanded(queries: Matrix, database: Database, neighbors: Neighbors, alpha: float) -> Matrix:
    """Alpha query expansion (Radenovic et al. 2019): a query plus its neighbors weighted by similarity^alpha.

    Args:
        queries: (q, k), unit rows.
        database: where the neighbors' descriptors are.
        neighbors: (q, n) of each query.
        alpha: 0 gives plain average query expansion.

    Returns:
        (q, k), unit rows.
    """
    weights = np.clip(neighbors.similarities.numpy(), 0, None) ** alpha
    moved = queries + np.einsum("qn,qnk->qk", weights, database.rows(neighbors.indices.numpy()))
    return finished(moved)
