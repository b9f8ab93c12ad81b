"""Scores of the rows of a block, from which a pre-filtered search chooses its candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

GROUP = 32  # consecutive columns whose maximum is taken; the width of a table of scores is a multiple of it


class RowScores(Protocol):
    """Scores of a block's rows for each part of the queries: the products, or approximations with a bound."""

    max_candidates: float
    """Share of a block's entries; with more candidates than that the scores cost more time than they save."""

    def start_block(self, rows: Tensor) -> None:
        """Go on to a block (n, D)."""

    def scores(self, number: int) -> Tensor:
        """(Q, `padded(n)`) for part `number`, the least value of the type from n on. The next call may overwrite it."""

    def score_bound(self, number: int, products: Tensor) -> Tensor:
        """(Q, groups or 1): a row whose product is at least `products` (Q,) has at least this score."""

    def product_bound(self, number: int, scores: Tensor, maxima: Tensor, k: int) -> Tensor:
        """(Q,) products that at least `k` rows of the block reach, from `scores` and their groups' `maxima`."""

    def exact_products(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """(p,) products of pairs (`query`, `column`), for the part of the last call of `scores`."""


class Scratch:
    """Memory that is used for one table after another, and is allocated when the first one is asked for."""

    def __init__(self, like: Tensor, dtype: torch.dtype) -> None:
        self._memory = like.new_empty(0, dtype=dtype)

    def table(self, height: int, width: int) -> Tensor:
        """An uninitialized table (height, width)."""
        size = height * width
        if len(self._memory) < size:
            self._memory = self._memory.new_empty(size)
        return self._memory[:size].view(height, width)


class ProductScores:
    """The products themselves."""

    max_candidates = math.inf

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self._scratch = Scratch(parts[0], parts[0].dtype)

    def start_block(self, rows: Tensor) -> None:
        """Go on to a block."""
        self._rows = rows

    def scores(self, number: int) -> Tensor:
        """(Q, `padded(n)`) products."""
        part, length = self.parts[number], len(self._rows)
        self._scores = self._scratch.table(len(part), padded(length))
        torch.mm(part, self._rows.T, out=self._scores[:, :length])
        self._scores[:, length:] = -torch.inf
        return self._scores

    def score_bound(self, number: int, products: Tensor) -> Tensor:
        """The products, since they are the scores."""
        return products[:, None]

    def product_bound(self, number: int, scores: Tensor, maxima: Tensor, k: int) -> Tensor:
        """The k-th largest maximum where there are more than k groups, else the k-th largest product."""
        enough = maxima if maxima.shape[1] > k else scores
        return enough.topk(k, sorted=False).values.amin(1)

    def exact_products(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """Read from the table of scores."""
        return self._scores.flatten().index_select(0, query * self._scores.shape[1] + column)


def padded(length: int) -> int:
    """The next multiple of GROUP."""
    return length + -length % GROUP


def in_groups(table: Tensor) -> Tensor:
    """View of (Q, n) as (Q, groups, GROUP)."""
    return table.view(len(table), -1, GROUP)
