"""A pre-filtered search: scores choose candidates, and the products of the candidates decide.

A lower bound on each query's k-th best product is known from earlier blocks or from the block itself. Rows whose score
shows that their product is below the bound are no candidates. The maximum of each group of scores is looked at first,
so that most entries are read once and never sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dinobench.metrics.search.int8_scores import Int8Scores
from dinobench.metrics.search.neighbors import Neighbors, rounding
from dinobench.metrics.search.scores import GROUP, ProductScores, RowScores, in_groups


class PrefilteredSearch:
    """Searches one block of the bank after another.

    Args:
        parts: the queries in parts (Q, D), which bound the memory to one table of (Q, n) scores.
        quantized: choose candidates by int8 scores (float32 queries on a CPU only); where those leave too many
            candidates, by the products, as with False.
    """

    def __init__(self, parts: Sequence[Tensor], *, quantized: bool) -> None:
        self.parts = parts
        self.kinds: list[RowScores] = [Int8Scores(parts), ProductScores(parts)] if quantized else [ProductScores(parts)]

    def start_block(self, rows: Tensor) -> None:
        """Go on to the next block (n, D)."""
        self.length = len(rows)
        for kind in self.kinds:
            kind.start_block(rows)

    def candidates(self, number: int, known: Neighbors, k: int) -> Neighbors:
        """Rows of the block among which are all that belong to the k nearest of part `number`: (Q, any number)."""
        for kind in list(self.kinds):
            found = self._candidates_by(kind, number, known, k)
            if found is not None:
                return found
            if known.indices.shape[1] == k:
                self.kinds.remove(kind)  # with k neighbors known it left too many, and will do so again
        raise AssertionError("products come last and never leave too many")

    def _candidates_by(self, kind: RowScores, number: int, known: Neighbors, k: int) -> Neighbors | None:
        """Candidates by one kind of scores; None where there are so many that it saves nothing."""
        filled = known.indices.shape[1] == k
        if not filled and k > kind.max_candidates * self.length:
            return None
        scores = kind.scores(number)
        maxima = in_groups(scores).amax(2)
        if filled:
            least = known.similarities[:, -1] - rounding(known.similarities)
        else:
            least = kind.product_bound(number, scores, maxima, min(k, self.length))
            least = least - rounding(least[:, None])
        bound = kind.score_bound(number, least).expand_as(maxima)
        passing = (maxima >= bound).flatten().nonzero()[:, 0]
        if len(passing) > kind.max_candidates * scores.numel():
            return None
        query, column = _entries_above(scores, passing, bound)
        products = kind.exact_products(number, query, column)
        kept = (products >= least.index_select(0, query)).nonzero()[:, 0]
        return _in_rows(query[kept], column[kept], products[kept], len(scores))


def _entries_above(scores: Tensor, passing: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Query and column of the scores that reach the `bound` (Q, groups), in the groups `passing` (p,) of the table."""
    entries = scores.view(-1, GROUP).index_select(0, passing)
    inside = (entries >= bound.flatten().index_select(0, passing)[:, None]).flatten().nonzero()[:, 0]
    group, groups = passing.index_select(0, inside // GROUP), bound.shape[1]
    return group // groups, group % groups * GROUP + inside % GROUP


def _in_rows(query: Tensor, column: Tensor, products: Tensor, queries: int) -> Neighbors:
    """Pairs, sorted by query, as a table (queries, most pairs of a query) with -inf where a query has fewer."""
    counts = torch.bincount(query, minlength=queries)
    slot = torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts).index_select(0, query)
    shape = (queries, int(counts.max()))
    table = Neighbors(products.new_full(shape, -torch.inf), query.new_zeros(shape))
    table.similarities[query, slot] = products
    table.indices[query, slot] = column
    return table
