"""Nearest training features by cosine, shared out over processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.knn import BANK_ROWS
from dinobench.metrics.search.faiss_flat import faiss_is_installed
from dinobench.metrics.search.nearest import ENGINES, nearest
from dinobench.metrics.search.neighbors import Neighbors, merge, no_neighbors
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import gather_from_processes, rank, world_size
from dinobench.runtime.suggest import unknown

CHOICES = ("auto", *ENGINES)


class Bank(Protocol):
    """Rows that can be read block by block."""

    def __len__(self) -> int:
        """Number of rows."""

    def blocks(self, rows: int) -> Iterator[Tensor]:
        """(about `rows`, D) at a time, in order."""


class RowsInMemory:
    """A tensor as a bank."""

    def __init__(self, features: Tensor) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def blocks(self, rows: int) -> Iterator[Tensor]:
        """Views of (rows, D)."""
        return iter(torch.split(self.features, rows))


def search(queries: Tensor, bank: Bank, k: int, engine: str, device: torch.device) -> Neighbors:
    """The `k` rows of `bank` with the largest cosine to each query (M, D); exact, whatever the engine.

    Under a process group each process searches its share of a stored bank, and the answers are merged.

    Args:
        queries: (M, D).
        bank: to search.
        k: at most the bank's rows.
        engine: one of `CHOICES`.
        device: where to compute, and where the answer is.

    Raises:
        InputError: an unknown engine, or faiss is not installed.
    """
    check_engine(engine)
    asked = normalize(queries.to(device), dim=1)
    if isinstance(bank, FeatureMatrix) and world_size() > 1:
        share, start = bank.share(rank(), world_size())
        return merged_over_processes(_search_in_memory(asked, share, min(k, len(share)), engine), start, k)
    return _search_in_memory(asked, bank, k, engine)


def check_engine(engine: str) -> None:
    """Refuse an engine that is unknown or not installed."""
    if engine not in CHOICES:
        raise unknown("search", engine, CHOICES)
    if engine == "faiss" and not faiss_is_installed():
        raise InputError("search=faiss needs faiss; install dinobench[cpu], or leave search=auto")


def merged_over_processes(mine: Neighbors, start: int, k: int) -> Neighbors:
    """The k nearest of all processes' answers to the same queries.

    Args:
        mine: (M, <= k) answer of this process, from its share of the bank.
        start: bank row at which the share begins.
        k: neighbors wanted.
    """
    gap = k - mine.indices.shape[1]  # a share may hold fewer rows than k
    similarities = _from_all(pad(mine.similarities, (0, gap), value=-torch.inf))
    indices = _from_all(pad(mine.indices + start, (0, gap)))
    best, *others = (Neighbors(*pair, engine=mine.engine) for pair in zip(similarities, indices, strict=True))
    for other in others:
        best = merge(best, other, k)
    return best


def _from_all(mine: Tensor) -> Sequence[Tensor]:
    return gather_from_processes(mine).chunk(world_size())


def _search_in_memory(queries: Tensor, bank: Bank, k: int, engine: str) -> Neighbors:
    if k == 0:  # the share of a process where there are more processes than rows
        return no_neighbors(queries)
    return nearest(queries, _normalized_blocks(bank, queries), k, engine=engine)


def _normalized_blocks(bank: Bank, like: Tensor) -> Iterator[Tensor]:
    def normalized(block: Tensor) -> Tensor:
        return normalize(block.to(like), dim=1)

    return map(normalized, bank.blocks(BANK_ROWS))  # a loop would keep a block while the next is read
