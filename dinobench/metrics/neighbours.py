"""Exact nearest neighbours by inner product, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_GROUP = 64  # columns that share one maximum


@dataclass(frozen=True)
class Neighbours:
    """The k nearest bank rows of each query, nearest first.

    Attributes:
        similarities: (M, k) inner products.
        indices: (M, k) int64 rows of the bank.
    """

    similarities: Tensor
    indices: Tensor

    def without(self, rows: Tensor) -> Neighbours:
        """Drop bank row `rows[i]` (M,) from the list of query i, or its last neighbour where that row is not listed."""
        listed = self.indices == rows.to(self.indices.device)[:, None]
        listed[~listed.any(1), -1] = True
        shape = (len(self.indices), self.indices.shape[1] - 1)
        return Neighbours(self.similarities[~listed].view(shape), self.indices[~listed].view(shape))


def nearest(queries: Tensor, bank: Iterable[Tensor], k: int, query_block: int = 1024) -> Neighbours:
    """The `k` rows of `bank` with the largest inner product to each query; exact.

    Memory beyond the inputs: one similarity block of `query_block` times the longest bank block, and the answer.

    Args:
        queries: (M, D), on the device to compute on.
        bank: blocks (n_i, D) of consecutive rows, moved to the queries' device and dtype one at a time.
        k: at most the bank's rows.
        query_block: queries per matrix product.
    """
    parts = torch.split(queries, query_block)
    best = [_nobody(part) for part in parts]
    start = 0
    for block in bank:
        rows = block.to(queries)
        best = [_merge(known, part @ rows.T, start, k) for known, part in zip(best, parts, strict=True)]
        start += len(block)
    return concatenate(best)


def concatenate(parts: Iterable[Neighbours]) -> Neighbours:
    """Answers for consecutive queries as one."""
    listed = list(parts)
    return Neighbours(torch.cat([part.similarities for part in listed]), torch.cat([part.indices for part in listed]))


def merge(one: Neighbours, other: Neighbours, k: int) -> Neighbours:
    """The k nearest of two answers to the same queries from disjoint parts of a bank."""
    similarities = torch.cat([one.similarities, other.similarities], 1)
    indices = torch.cat([one.indices, other.indices], 1)
    values, places = similarities.topk(min(k, similarities.shape[1]))
    return Neighbours(values, indices.gather(1, places))


def _nobody(queries: Tensor) -> Neighbours:
    empty = queries.new_empty(len(queries), 0)
    return Neighbours(empty, empty.long())


def _merge(best: Neighbours, similarities: Tensor, start: int, k: int) -> Neighbours:
    full = best.indices.shape[1] == k
    floor = best.similarities[:, -1:] if full else None
    values, places = _largest(similarities, k, floor)
    return merge(best, Neighbours(values, places + start), k)


def _largest(similarities: Tensor, k: int, floor: Tensor | None) -> tuple[Tensor, Tensor]:
    """Values and columns that hold each row's k largest entries above `floor` (Q, 1), perhaps with lesser ones.

    The k largest entries lie in the k groups of columns with the largest maxima, and in no more groups than have
    a maximum above the floor: taking maxima reads each entry once, where a sort would read it many times.
    """
    groups = similarities.shape[1] // _GROUP
    whole = groups * _GROUP
    maxima = similarities[:, :whole].reshape(len(similarities), groups, _GROUP).amax(2)
    wanted = min(k, groups) if floor is None else min(k, int((maxima > floor).sum(1).max()))
    if 2 * wanted > groups:
        values, columns = similarities.topk(min(k, similarities.shape[1]))
        return values, columns
    chosen = maxima.topk(wanted).indices
    columns = (chosen[:, :, None] * _GROUP + torch.arange(_GROUP, device=chosen.device)).flatten(1)
    tail = torch.arange(whole, similarities.shape[1], device=chosen.device).expand(len(similarities), -1)
    columns = torch.cat([columns, tail], 1)
    values, places = similarities.gather(1, columns).topk(min(k, columns.shape[1]))
    return values, columns.gather(1, places)
