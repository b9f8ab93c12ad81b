"""Inner products of queries with one block of a bank after another: exact ones, and bf16 ones with a bound.

Half the bits are twice the speed on CPUs with bf16 arithmetic. Which rows are nearest is still decided by exact
products: a bf16 product and its bound only say of which rows they must be taken.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

COLUMNS = 32  # a block's length is a multiple of it
_FLOAT32_ERROR = 2.0**-22  # per term of a sum: of scores and products, of what they are compared with, of the mean's
_AT_ONCE = 1024  # rows, which stay in the cache while they are worked on
_ROUNDING = 2.0**-8  # of a number to bf16


class Products(Protocol):
    """What a search asks of the products with the block it is at; queries come in parts, by number."""

    worth: float
    """Of the entries of a block: to look at more of them once again takes longer than the scores save."""

    def take(self, rows: Tensor, length: int) -> None:
        """Go on to a block (n, D), of which all rows from `length` on are padding."""

    def scores(self, number: int) -> Tensor:
        """(Q, n) of part `number`, in any type; -inf for padding. The next call may overwrite it."""

    def grouped(self, table: Tensor) -> Tensor:
        """View of a (Q, n) table as (Q, groups, columns of a group), in the order that is fast to take maxima of."""

    def lowest(self, number: int, products: Tensor) -> Tensor:
        """(Q,) the lowest score that a row may have whose product is at least `products` (Q,)."""

    def lowest_like(self, number: int, scores: Tensor) -> Tensor:
        """(Q,) the lowest score that a row may have whose product is at least that of a row with `scores` (Q,)."""

    def exact(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """(p,) products of the pairs (`query`, `column`) of part `number`, of which `scores` was asked last."""


class ExactProducts:
    """Scores that are the products."""

    worth = math.inf

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self._table = parts[0].new_empty(0)

    def take(self, rows: Tensor, length: int) -> None:
        """Go on to a block."""
        self._rows, self._length = rows, length
        self._table = _at_least_as_large(self._table, len(self.parts[0]) * len(rows))

    def scores(self, number: int) -> Tensor:
        """The products."""
        self._scores = _product(self.parts[number], self._rows, self._length, self._table)
        return self._scores

    def grouped(self, table: Tensor) -> Tensor:
        """Neighbours in memory."""
        return table.view(len(table), -1, COLUMNS)

    def lowest(self, number: int, products: Tensor) -> Tensor:
        """They themselves."""
        return products

    def lowest_like(self, number: int, scores: Tensor) -> Tensor:
        """They themselves."""
        return scores

    def exact(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """Those there are."""
        return self._scores.flatten().index_select(0, query * self._scores.shape[1] + column)


class ScreeningProducts:
    """Scores in bf16 of the rows less their mean, which says nothing about their order and would cost digits.

    By Cauchy and Schwarz a score is off by at most what rounding took from the query times the row, and the other way
    round; comparing in bf16 costs nothing more, since rounding keeps the order.
    """

    worth = 1 / 64

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self._short = [part.bfloat16() for part in parts]
        self._lengths = [part.norm(dim=1) for part in parts]
        self._lost = [(part - short).norm(dim=1) for part, short in zip(parts, self._short, strict=True)]
        self._mean: Tensor | None = None
        self._table = self._short[0].new_empty(0)

    def take(self, rows: Tensor, length: int) -> None:
        """Go on to a block, of which a copy is taken in bf16."""
        if self._mean is None:  # of the first block; any vector would do
            self._mean = rows[:length].mean(0)
        self._rows, self._length = rows, length
        self._short_rows = rows.new_empty(rows.shape, dtype=torch.bfloat16)
        self._radius = self._rows_lost = rows.new_zeros(())
        for part, short in zip(torch.split(rows, _AT_ONCE), torch.split(self._short_rows, _AT_ONCE), strict=True):
            centred = part - self._mean
            short.copy_(centred)
            self._radius = torch.maximum(self._radius, centred.norm(dim=1).max())
            self._rows_lost = torch.maximum(self._rows_lost, centred.sub_(short).norm(dim=1).max())
        self._table = _at_least_as_large(self._table, len(self.parts[0]) * len(rows))

    def scores(self, number: int) -> Tensor:
        """Products in bf16."""
        return _product(self._short[number], self._short_rows, self._length, self._table)

    def grouped(self, table: Tensor) -> Tensor:
        """Far apart in memory: torch is slow at the maximum of neighbours in bf16."""
        return table.view(len(table), COLUMNS // 2, -1).transpose(1, 2)

    def lowest(self, number: int, products: Tensor) -> Tensor:
        """Less what the mean has of them, and the error."""
        assert self._mean is not None
        return (products - self.parts[number] @ self._mean - self._error(number)).bfloat16()

    def lowest_like(self, number: int, scores: Tensor) -> Tensor:
        """Less both their errors, and the rounding of the given ones."""
        products = scores.float() - _ROUNDING * scores.float().abs() - 2 * self._error(number)
        return products.bfloat16()

    def exact(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """Taken for these pairs alone."""
        part = self.parts[number]
        ends = torch.bincount(query, minlength=len(part)).cumsum(0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")  # that they are new
            wanted = torch.sparse_csr_tensor(
                torch.nn.functional.pad(ends, (1, 0)), column, part.new_zeros(len(column)), (len(part), len(self._rows))
            )
            products: Tensor = torch.sparse.sampled_addmm(wanted, part, self._rows.T).values()
        return products

    def _error(self, number: int) -> Tensor:
        """(Q,) how far a score may be from the product with the centred row, but for its own rounding."""
        length, lost = self._lengths[number], self._lost[number]
        assert self._mean is not None
        farthest = self._mean.norm() + self._radius  # no row is longer
        summed = _FLOAT32_ERROR * self._rows.shape[1] * (length + lost) * farthest
        error: Tensor = lost * self._radius + (length + lost) * self._rows_lost + summed
        return error


def _product(left: Tensor, right: Tensor, length: int, table: Tensor) -> Tensor:
    out = table[: len(left) * len(right)].view(len(left), len(right))
    torch.mm(left, right.T, out=out)
    out[:, length:] = -torch.inf
    return out


def _at_least_as_large(table: Tensor, size: int) -> Tensor:
    return table if len(table) >= size else table.new_empty(size)
