"""The answer of a nearest-neighbor search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

_ROUNDING = 2.0**-19  # of a query's largest product: float32 products that are closer may stand in either order


@dataclass(frozen=True)
class Neighbors:
    """The k nearest bank rows of each query: nearest first, and the smaller row first where similarities are equal.

    Attributes:
        similarities: (M, k) inner products.
        indices: (M, k) int64 rows of the bank.
        engine: which engine found them; see `dinobench.metrics.search.nearest`.
    """

    similarities: Tensor
    indices: Tensor
    engine: str = ""

    def to(self, device: torch.device) -> Neighbors:
        """The same on `device`."""
        return replace(self, similarities=self.similarities.to(device), indices=self.indices.to(device))

    def shifted(self, rows: int) -> Neighbors:
        """The same with every index larger by `rows`."""
        return replace(self, indices=self.indices + rows)

    def without(self, rows: Tensor) -> Neighbors:
        """Drop bank row `rows[i]` (M,) from the list of query i, or its last neighbor where that row is not listed."""
        listed = self.indices == rows.to(self.indices.device)[:, None]
        listed[~listed.any(1), -1] = True
        shape = (len(self.indices), self.indices.shape[1] - 1)
        return replace(
            self, similarities=self.similarities[~listed].view(shape), indices=self.indices[~listed].view(shape)
        )


def no_neighbors(queries: Tensor) -> Neighbors:
    """An answer of k = 0 to `queries` (M, D)."""
    empty = queries.new_empty(len(queries), 0)
    return Neighbors(empty, empty.long())


def concatenate(parts: Iterable[Neighbors]) -> Neighbors:
    """Answers to consecutive queries as one."""
    listed = list(parts)
    similarities = torch.cat([part.similarities for part in listed])
    return replace(listed[0], similarities=similarities, indices=torch.cat([part.indices for part in listed]))


def split(answer: Neighbors, sizes: Sequence[int]) -> list[Neighbors]:
    """The answers to the first `sizes[0]` queries, to the next `sizes[1]`, and so on."""
    parts = zip(*(torch.split(each, list(sizes)) for each in (answer.similarities, answer.indices)), strict=True)
    return [replace(answer, similarities=similarities, indices=indices) for similarities, indices in parts]


def merge(one: Neighbors, other: Neighbors, k: int) -> Neighbors:
    """The k nearest of two answers to the same queries.

    Args:
        one: nearest first, from a part of the bank.
        other: nearest first, from a later part of the bank.
        k: neighbors to keep; each of them has no more.
    """
    if not one.indices.shape[1]:
        return other
    similarities = torch.cat([one.similarities, other.similarities], 1)
    indices = torch.cat([one.indices, other.indices], 1)
    values, places = similarities.sort(dim=1, descending=True, stable=True)
    return replace(other, similarities=values[:, :k], indices=indices.gather(1, places[:, :k]))


def rounding(products: Tensor) -> Tensor:
    """(Q,) by how much two products of a query must differ to be told apart, from `products` (Q, n) of its nearest."""
    return _ROUNDING * products.abs().amax(1)


def settle_ties(found: Neighbors, queries: Tensor, rows: Tensor, k: int) -> Neighbors:
    """The k nearest candidates, nearest first, the same ones whatever the engine.

    Engines sum a product in different orders. Products too close to be told apart are computed again in float64; of
    those that are equal, the smaller row comes first.

    Args:
        found: (Q, n) candidates of a block, in any order; -inf where there is none.
        queries: (Q, D).
        rows: (N, D), the block.
        k: neighbors to keep; fewer where there are fewer candidates.
    """
    if not found.indices.shape[1]:
        return found
    values, columns = _nearest_first(found)
    if values.shape[1] > k:
        least = values[:, k - 1] - rounding(values[:, :1])
        width = max(k, int((values >= least[:, None]).sum(1).max()))
        values, columns = values[:, :width], columns[:, :width]
    close = values[:, :-1] - values[:, 1:] <= rounding(values[:, :1])[:, None]
    uncertain = close.any(1).nonzero()[:, 0]
    if len(uncertain):
        values, columns, close = values.clone(), columns.clone(), close[uncertain]
        query, place = (pad(close, (0, 1)) | pad(close, (1, 0))).nonzero(as_tuple=True)
        query = uncertain[query]
        values[query, place] = _float64_products(queries[query], rows[columns[query, place]]).to(values)
        by_row, order = columns[uncertain].sort(dim=1)
        values[uncertain], order = values[uncertain].gather(1, order).sort(dim=1, descending=True, stable=True)
        columns[uncertain] = by_row.gather(1, order)
    return Neighbors(values[:, :k], columns[:, :k])


def _nearest_first(found: Neighbors) -> tuple[Tensor, Tensor]:
    """Similarities and indices of `found`, sorted where they are not."""
    values = found.similarities
    if (values[:, :-1] >= values[:, 1:]).all():
        return values, found.indices
    values, order = values.sort(dim=1, descending=True)
    return values, found.indices.gather(1, order)


def _float64_products(some: Tensor, others: Tensor) -> Tensor:
    """(p,) products of rows (p, D) with rows (p, D); on the CPU where the device has no float64."""
    try:
        return (some.double() * others.double()).sum(1)
    except TypeError:  # Apple's GPUs
        return (some.cpu().double() * others.cpu().double()).sum(1)
