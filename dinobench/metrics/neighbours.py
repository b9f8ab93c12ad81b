"""Exact nearest neighbours by inner product, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.metrics.products import COLUMNS, ExactProducts, Products, ScreeningProducts

QUERY_ROWS = 256  # queries per matrix product


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


def nearest(
    queries: Tensor, bank: Iterable[Tensor], k: int, query_block: int = QUERY_ROWS, *, screen: bool = False
) -> Neighbours:
    """The `k` rows of `bank` with the largest inner product to each query; exact.

    Memory beyond the inputs: one similarity block of `query_block` times the longest bank block, and the answer.

    Args:
        queries: (M, D), on the device to compute on.
        bank: blocks (n_i, D) of consecutive rows, moved to the queries' device and dtype one at a time.
        k: at most the bank's rows.
        query_block: queries per matrix product.
        screen: take bf16 products first, and exact ones only of the rows that those leave in question. The answer is
            the same, sooner where bf16 is much faster and the queries are float32.
    """
    parts = torch.split(queries, query_block)
    best = [_nobody(part) for part in parts]
    exact = ExactProducts(parts)
    products: Products = ScreeningProducts(parts) if screen else exact
    start = 0
    for block in bank:
        rows, gap = block.to(queries), -len(block) % COLUMNS
        rows = F.pad(rows, (0, 0, 0, gap)) if gap else rows
        products.take(rows, len(block))
        for number, known in enumerate(best):
            found = _promising(products, number, k, known, len(block))
            if found is None:  # so it will be in the next blocks
                products = exact
                products.take(rows, len(block))
                found = _promising(products, number, k, known, len(block))
                assert found is not None
            best[number] = merge(known, _padded(*found, len(parts[number]), start), k, in_order=False)
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


def _promising(
    products: Products, number: int, k: int, best: Neighbours, length: int
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Entries of a block that may be among the k best, `best` being those known: query, column, and exact product.

    None where a screen lets so many pass that it saves nothing. A row's k-th best so far bounds its entries worth a
    look from below, and so does the k-th largest of its groups' maxima. Taking maxima reads each entry once, and few
    groups pass; sorting would read each entry many times.
    """
    known = best.indices.shape[1] == k
    if not known and k > products.worth * length:
        return None
    scores = products.scores(number)
    maxima = products.grouped(scores).amax(2)
    if known:
        floor = products.lowest(number, best.similarities.amin(1).nextafter(best.similarities.new_tensor(torch.inf)))
    else:
        enough = maxima if maxima.shape[1] > k else scores
        floor = products.lowest_like(number, enough.topk(min(k, length), sorted=False).values.amin(1))
    passing = (maxima >= floor[:, None]).flatten().nonzero()[:, 0]
    if len(passing) > products.worth * scores.numel():
        return None
    row, group = passing // maxima.shape[1], passing % maxima.shape[1]
    entries = products.grouped(scores)[row, group]
    inside = (entries >= floor.index_select(0, row)[:, None]).flatten().nonzero()[:, 0]
    pair, place = inside // entries.shape[1], inside % entries.shape[1]
    columns = products.grouped(torch.arange(scores.shape[1], device=scores.device)[None])[0]
    query, column = row.index_select(0, pair), columns[group.index_select(0, pair), place]
    return query, column, products.exact(number, query, column)


def _padded(query: Tensor, column: Tensor, products: Tensor, queries: int, start: int) -> Neighbours:
    """Pairs as rows: (queries, most pairs of a query), with -inf where a query has fewer."""
    counts = torch.bincount(query, minlength=queries)
    slot = torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts).index_select(0, query)
    shape = (queries, int(counts.max()))
    padded = Neighbours(products.new_full(shape, -torch.inf), query.new_zeros(shape))
    padded.similarities[query, slot] = products
    padded.indices[query, slot] = column + start
    return padded
