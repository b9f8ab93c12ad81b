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


class Scratch:
    """Memory that one table after another is written to; none before the first is asked for."""

    def __init__(self, like: Tensor, dtype: torch.dtype) -> None:
        self._memory = like.new_empty(0, dtype=dtype)

    def table(self, height: int, width: int) -> Tensor:
        """(height, width), whose entries may be anything."""
        size = height * width
        if len(self._memory) < size:
            self._memory = self._memory.new_empty(size)
        return self._memory[:size].view(height, width)


class ExactProducts:
    """Scores that are the products."""

    worth = math.inf
    groups: Groups = Near()

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self._scratch = Scratch(parts[0], parts[0].dtype)

    def take(self, rows: Tensor, length: int) -> None:
        """Go on to a block."""
        self._rows, self._length = rows, length

    def scores(self, number: int) -> Tensor:
        """The products."""
        part = self.parts[number]
        self._scores = self._scratch.table(len(part), len(self._rows))
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
