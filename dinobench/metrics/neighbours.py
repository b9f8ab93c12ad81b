"""Exact nearest neighbours by inner product, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

QUERY_ROWS = 256  # queries per matrix product
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


def nearest(queries: Tensor, bank: Iterable[Tensor], k: int, query_block: int = QUERY_ROWS) -> Neighbours:
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
    table, start = queries.new_empty(0), 0
    for block in bank:
        rows, gap = block.to(queries), -len(block) % _GROUP
        rows = F.pad(rows, (0, 0, 0, gap)) if gap else rows
        table = _at_least_as_large(table, len(parts[0]) * len(rows))
        for number, part in enumerate(parts):
            similarities = torch.mm(part, rows.T, out=table[: len(part) * len(rows)].view(len(part), len(rows)))
            if gap:
                similarities[:, len(block) :] = -torch.inf
            found = _promising(similarities, k, best[number], start)
            best[number] = merge(best[number], found, k, in_order=False)
        start += len(block)
    for number, answer in enumerate(best):  # one by one, so that few are there twice
        best[number] = _in_order(answer)
    return concatenate(best)


def concatenate(parts: Iterable[Neighbours]) -> Neighbours:
    """Answers for consecutive queries as one."""
    listed = list(parts)
    return Neighbours(torch.cat([part.similarities for part in listed]), torch.cat([part.indices for part in listed]))


def merge(one: Neighbours, other: Neighbours, k: int, *, in_order: bool = True) -> Neighbours:
    """The k nearest of two answers to the same queries from disjoint parts of a bank, in any order if so asked."""
    similarities = torch.cat([one.similarities, other.similarities], 1)
    indices = torch.cat([one.indices, other.indices], 1)
    values, places = similarities.topk(min(k, similarities.shape[1]), sorted=in_order)
    return Neighbours(values, indices.gather(1, places))


def _in_order(answer: Neighbours) -> Neighbours:
    values, places = answer.similarities.sort(dim=1, descending=True)
    return Neighbours(values, answer.indices.gather(1, places))


def _nobody(queries: Tensor) -> Neighbours:
    empty = queries.new_empty(len(queries), 0)
    return Neighbours(empty, empty.long())


def _at_least_as_large(table: Tensor, size: int) -> Tensor:
    return table if len(table) >= size else table.new_empty(size)


def _promising(similarities: Tensor, k: int, best: Neighbours, start: int) -> Neighbours:
    """Entries of a block (Q, n) that may be among the k best, `best` being those known; -inf where there are none.

    A row's k-th best so far bounds its entries worth a look from below, and so does the k-th largest of its groups'
    maxima. Taking maxima reads each entry once, and few groups pass; sorting would read each entry many times.
    """
    maxima = similarities.view(len(similarities), -1, _GROUP).amax(2)
    if best.indices.shape[1] == k:
        floor = best.similarities.amin(1).nextafter(maxima.new_tensor(torch.inf))
    elif maxima.shape[1] > k:
        floor = maxima.topk(k, sorted=False).values.amin(1)
    else:
        values, columns = similarities.topk(min(k, similarities.shape[1]), sorted=False)
        return Neighbours(values, columns + start)
    return _not_below(floor, similarities, maxima, start)


def _not_below(floor: Tensor, similarities: Tensor, maxima: Tensor, start: int) -> Neighbours:
    """Entries (Q, n) not below their row's `floor` (Q,), found in the groups whose maximum is not, padded by -inf."""
    group = (maxima >= floor[:, None]).flatten().nonzero()[:, 0]
    entries = similarities.view(-1, _GROUP).index_select(0, group)
    bound = floor.index_select(0, group // maxima.shape[1])
    inside = (entries >= bound[:, None]).flatten().nonzero()[:, 0]
    place = group.index_select(0, inside // _GROUP) * _GROUP + inside % _GROUP  # in the block, read row by row
    query, column = place // similarities.shape[1], place % similarities.shape[1]
    counts = torch.bincount(query, minlength=len(similarities))
    slot = torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts).index_select(0, query)
    shape = (len(similarities), int(counts.max()))
    padded = Neighbours(similarities.new_full(shape, -torch.inf), query.new_zeros(shape))
    padded.similarities[query, slot] = entries.flatten().index_select(0, inside)
    padded.indices[query, slot] = column + start
    return padded
