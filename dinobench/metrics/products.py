"""Inner products of queries with one block of a bank after another, and what a search asks of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from dinobench.metrics.groups import Groups, Near


class Products(Protocol):
    """What a search asks of the products with the block it is at; queries come in parts, by number.

    Scores stand for products, nearly or exactly: they are cheap to have, and say which products are worth a look.
    """

    worth: float
    """Of the entries of a block: to look at more of them once again takes longer than the scores save."""
    groups: Groups
    """In which the maxima of scores are taken fast."""

    def take(self, rows: Tensor, length: int) -> None:
        """Go on to a block (n, D), of which all rows from `length` on are padding."""

    def scores(self, number: int) -> Tensor:
        """(Q, n) of part `number`, in any type; the lowest there is for padding. The next call may overwrite it."""

    def lowest(self, number: int, products: Tensor) -> Tensor:
        """(Q, groups or 1) the lowest score of a row, by its group, whose product is at least `products` (Q,)."""

    def reached(self, number: int, scores: Tensor, maxima: Tensor, k: int) -> Tensor:
        """(Q,) products that at least `k` rows of the block reach, from `scores` (Q, n) and their groups' `maxima`."""

    def exact(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """(p,) products of the pairs (`query`, `column`) of part `number`, of which `scores` was asked last."""


class ExactProducts:
    """Scores that are the products."""

    worth = math.inf
    groups: Groups = Near()

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self._table = parts[0].new_empty(0)

    def take(self, rows: Tensor, length: int) -> None:
        """Go on to a block."""
        self._rows, self._length = rows, length
        self._table = at_least_as_large(self._table, len(self.parts[0]) * len(rows))

    def scores(self, number: int) -> Tensor:
        """The products."""
        part = self.parts[number]
        self._scores = table_of(self._table, part, self._rows)
        torch.mm(part, self._rows.T, out=self._scores)
        self._scores[:, self._length :] = -torch.inf
        return self._scores

    def lowest(self, number: int, products: Tensor) -> Tensor:
        """They themselves."""
        return products[:, None]

    def reached(self, number: int, scores: Tensor, maxima: Tensor, k: int) -> Tensor:
        """The k-th largest maximum, where there are as many groups."""
        enough = maxima if maxima.shape[1] > k else scores
        return enough.topk(k, sorted=False).values.amin(1)

    def exact(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """Those there are."""
        return self._scores.flatten().index_select(0, query * self._scores.shape[1] + column)


def table_of(memory: Tensor, queries: Tensor, rows: Tensor) -> Tensor:
    """The start of `memory` as a table of all pairs of `queries` and `rows`."""
    return memory[: len(queries) * len(rows)].view(len(queries), len(rows))


def at_least_as_large(table: Tensor, size: int) -> Tensor:
    """`table`, or a new one if it is smaller than `size`."""
    return table if len(table) >= size else table.new_empty(size)
