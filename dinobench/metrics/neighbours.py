"""Exact nearest neighbours by inner product, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_GROUP = 32  # columns that share one maximum


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


def nearest(queries: Tensor, bank: Iterable[Tensor], k: int, query_block: int = 512) -> Neighbours:
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
        rows, gap = block.to(queries), -len(block) % _GROUP
        rows = F.pad(rows, (0, 0, 0, gap)) if gap else rows
        for number, part in enumerate(parts):
            similarities = part @ rows.T
            similarities[:, len(block) :] = -torch.inf
            best[number] = merge(best[number], _promising(similarities, k, best[number], start), k)
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


def _promising(similarities: Tensor, k: int, best: Neighbours, start: int) -> Neighbours:
    """Entries of a block (Q, n) that may be among the k best, `best` being those known; -inf where there are none.

    A row's k-th best so far bounds its entries worth a look from below, and so does the k-th largest of its groups'
    maxima. Taking maxima reads each entry once, and few groups pass; sorting would read each entry many times.
    """
    maxima = similarities.view(len(similarities), -1, _GROUP).amax(2)
    if best.indices.shape[1] == k:
        passing = maxima > best.similarities[:, -1:]
        floor = best.similarities[:, -1].nextafter(torch.tensor(torch.inf))
    elif maxima.shape[1] > k:
        floor = maxima.topk(k).values[:, -1]
        passing = maxima >= floor[:, None]
    else:
        values, columns = similarities.topk(min(k, similarities.shape[1]))
        return Neighbours(values, columns + start)
    return _at_least(similarities, passing, floor, start)


def _at_least(similarities: Tensor, passing: Tensor, floor: Tensor, start: int) -> Neighbours:
    """Entries not below their row's `floor` (Q,) in the groups marked by `passing` (Q, groups), padded by -inf."""
    query, group = passing.nonzero(as_tuple=True)
    entries = similarities.view(len(similarities), -1, _GROUP)[query, group]
    row, offset = (entries >= floor[query, None]).nonzero(as_tuple=True)
    values, query, columns = entries[row, offset], query[row], group[row] * _GROUP + offset
    counts = torch.bincount(query, minlength=len(similarities))
    place = torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts)[query]
    shape = (len(similarities), int(counts.max()))
    padded = Neighbours(similarities.new_full(shape, -torch.inf), query.new_zeros(shape))
    padded.similarities[query, place] = values
    padded.indices[query, place] = columns + start
    return padded
