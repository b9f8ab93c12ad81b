"""The same search by faiss's exact products: `knn` on a CPU, which copies no rows, and IndexFlatIP on a GPU."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dinobench.metrics.search.neighbors import Neighbors, rounding

_LOOPED_QUERIES = 4  # with fewer, faiss's loop over pairs is faster than its product of matrices
_MORE = 8  # further results asked for, among which ties with the last one are seen


def faiss_is_installed() -> bool:
    """Whether faiss can be imported."""
    return importlib.util.find_spec("faiss") is not None


def faiss_is_imported() -> bool:
    """Whether this process has imported faiss."""
    return "faiss" in sys.modules


class FaissSearch:
    """Searches one block of the bank after another.

    Args:
        parts: the queries in parts (Q, D), float32.
    """

    def __init__(self, parts: Sequence[Tensor]) -> None:
        import faiss

        self.parts = parts
        self._faiss: Any = faiss
        self._faiss.omp_set_num_threads(torch.get_num_threads())
        self._use_products(parts[0].shape[1])

    def _use_products(self, dim: int) -> None:
        """Let faiss multiply matrices for a few queries too; by itself it does from 334 of 384 numbers on, 15x faster.

        Older releases count queries there and not numbers, and have a low bound.
        """
        known = self._faiss.cvar
        known.distance_compute_blas_threshold = min(known.distance_compute_blas_threshold, _LOOPED_QUERIES * dim)

    def start_block(self, rows: Tensor) -> None:
        """Go on to the next block (n, D)."""
        self.rows = rows
        if self._on_gpu():
            self._memory = self._faiss.StandardGpuResources()
            index, device = self._faiss.IndexFlatIP(rows.shape[1]), rows.device.index or 0  # this process's alone
            self._index = self._faiss.index_cpu_to_gpu(self._memory, device, index)
            self._index.add(rows.cpu().numpy())

    def candidates(self, number: int, known: Neighbors, k: int) -> Neighbors:
        """The nearest rows of the block to the queries of part `number`, and those that tie with the k-th."""
        part, length = self.parts[number], len(self.rows)
        asked = min(k + _MORE, length)
        found = self._largest(part, asked)
        while asked < length and _has_ties(found.similarities, k):
            asked = min(8 * asked, length)
            found = self._largest(part, asked)
        return found

    def _largest(self, part: Tensor, count: int) -> Neighbors:
        queries, metric = part.cpu().numpy(), self._faiss.METRIC_INNER_PRODUCT
        if self._on_gpu():
            similarities, indices = self._index.search(queries, count)
        else:
            similarities, indices = self._faiss.knn(queries, self.rows.cpu().numpy(), count, metric=metric)
        return Neighbors(torch.from_numpy(similarities), torch.from_numpy(indices)).to(part.device)

    def _on_gpu(self) -> bool:
        return self.rows.device.type != "cpu" and hasattr(
            self._faiss, "StandardGpuResources"
        )  # faiss for CPUs lacks it


def _has_ties(products: Tensor, k: int) -> bool:
    """Whether the last product (Q, n) of any query cannot be told apart from its k-th."""
    return bool((products[:, k - 1] - products[:, -1] <= rounding(products)).any())
