"""Exact nearest neighbors by inner product, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.metrics.groups import COLUMNS
from dinobench.metrics.products import ExactProducts, Products
from dinobench.metrics.screens import Screen

QUERY_ROWS = 1024  # queries per matrix product


@dataclass(frozen=True)
class Neighbors:
    """The k nearest bank rows of each query, nearest first.

    Attributes:
        similarities: (M, k) inner products.
        indices: (M, k) int64 rows of the bank.
    """

    similarities: Tensor
    indices: Tensor

    def to(self, device: torch.device) -> Neighbors:
        """The same on `device`."""
        return Neighbors(self.similarities.to(device), self.indices.to(device))

    def without(self, rows: Tensor) -> Neighbors:
        """Drop bank row `rows[i]` (M,) from the list of query i, or its last neighbor where that row is not listed."""
        listed = self.indices == rows.to(self.indices.device)[:, None]
        listed[~listed.any(1), -1] = True
        shape = (len(self.indices), self.indices.shape[1] - 1)
        return Neighbors(self.similarities[~listed].view(shape), self.indices[~listed].view(shape))


def nearest(
    queries: Tensor,
    bank: Iterable[Tensor],
    k: int,
    query_block: int = QUERY_ROWS,
    *,
    screens: Sequence[type[Screen]] = (),
) -> Neighbors:
    """The `k` rows of `bank` with the largest inner product to each query; exact.

    Memory beyond the inputs: one similarity block of `query_block` times the longest bank block, and the answer.

    Args:
        queries: (M, D), on the device to compute on.
        bank: blocks (n_i, D) of consecutive rows, moved to the queries' device and dtype one at a time.
        k: at most the bank's rows.
        query_block: queries per matrix product.
        screens: take products of rounded numbers first, and exact ones only of the rows that those leave in question;
            a screen that leaves too many makes way for the next. The answer is the same, sooner where the CPU is
            faster at those numbers. For float32.
    """
    parts = torch.split(queries, query_block)
    best = [_nobody(part) for part in parts]
    products: list[Products] = [*(screen(parts) for screen in screens), ExactProducts(parts)]
    start = 0
    for block in bank:
        rows, gap = block.to(queries), -len(block) % COLUMNS
        rows = F.pad(rows, (0, 0, 0, gap)) if gap else rows
        for kind in products:
            kind.take(rows, len(block))
        for number, known in enumerate(best):
            found = _promising_by_any(products, number, k, known, len(block))
            best[number] = merge(known, _padded(*found, len(parts[number]), start), k, in_order=False)
        start += len(block)
    products.clear()  # whose memory the answer takes
    for number, answer in enumerate(best):  # one by one, so that few are there twice
        best[number] = _in_order(answer)
    return concatenate(best)


def concatenate(parts: Iterable[Neighbors]) -> Neighbors:
    """Answers for consecutive queries as one."""
    listed = list(parts)
    return Neighbors(torch.cat([part.similarities for part in listed]), torch.cat([part.indices for part in listed]))


def merge(one: Neighbors, other: Neighbors, k: int, *, in_order: bool = True) -> Neighbors:
    """The k nearest of two answers to the same queries from disjoint parts of a bank, in any order if so asked."""
    similarities = torch.cat([one.similarities, other.similarities], 1)
    indices = torch.cat([one.indices, other.indices], 1)
    values, places = similarities.topk(min(k, similarities.shape[1]), sorted=in_order)
    return Neighbors(values, indices.gather(1, places))


def _in_order(answer: Neighbors) -> Neighbors:
    values, places = answer.similarities.sort(dim=1, descending=True)
    return Neighbors(values, answer.indices.gather(1, places))


def _nobody(queries: Tensor) -> Neighbors:
    empty = queries.new_empty(len(queries), 0)
    return Neighbors(empty, empty.long())


def _promising_by_any(
    products: list[Products], number: int, k: int, best: Neighbors, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """By the first of `products` that is of use; one that is not once k are known, never will be, and is dropped."""
    for kind in list(products):
        found = _promising(kind, number, k, best, length)
        if found is not None:
            return found
        if best.indices.shape[1] == k:
            products.remove(kind)
    raise AssertionError("exact products come last, and are always of use")


def _promising(
    products: Products, number: int, k: int, best: Neighbors, length: int
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Entries of a block that may be among the k best, `best` being those known: query, column, and exact product.

    None where a screen lets so many pass that it saves nothing. A row's k-th best so far bounds its entries worth a
    look from below, and so does what k of this block reach. Taking maxima reads each entry once, and few groups pass;
    sorting would read each entry many times.
    """
    known = best.indices.shape[1] == k
    if not known and k > products.worth * length:
        return None
    scores = products.scores(number)
    maxima = products.groups.of(scores).amax(2)
    if known:
        least = best.similarities.amin(1).nextafter(best.similarities.new_tensor(torch.inf))
    else:
        least = products.reached(number, scores, maxima, min(k, length))
    lowest = products.lowest(number, least).expand_as(maxima)
    passing = (maxima >= lowest).flatten().nonzero()[:, 0]
    if len(passing) > products.worth * scores.numel():
        return None
    entries = products.groups.members(scores, passing)
    inside = (entries >= lowest.flatten().index_select(0, passing)[:, None]).flatten().nonzero()[:, 0]
    group = passing.index_select(0, inside // entries.shape[1])
    query, column = group // maxima.shape[1], products.groups.columns(scores, group, inside % entries.shape[1])
    found = products.exact(number, query, column)
    kept = (found >= least.index_select(0, query)).nonzero()[:, 0]
    return query.index_select(0, kept), column.index_select(0, kept), found.index_select(0, kept)


def _padded(query: Tensor, column: Tensor, products: Tensor, queries: int, start: int) -> Neighbors:
    """Pairs as rows: (queries, most pairs of a query), with -inf where a query has fewer."""
    counts = torch.bincount(query, minlength=queries)
    slot = torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts).index_select(0, query)
    shape = (queries, int(counts.max()))
    padded = Neighbors(products.new_full(shape, -torch.inf), query.new_zeros(shape))
    padded.similarities[query, slot] = products
    padded.indices[query, slot] = column + start
    return padded
