"""Products of rounded numbers, with a proven bound on what rounding took from them.

CPUs multiply bf16 numbers at twice the speed of float32, and bytes at four times. Which rows are nearest is still
decided by exact products: those of rounded numbers and their bounds only say of which rows they must be taken.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from dinobench.metrics.groups import COLUMNS, Far, Groups, Near
from dinobench.metrics.products import Scratch

_FLOAT32_ERROR = 2.0**-22  # per term of a sum: of scores, of products, of the mean's products
_OTHER_SUMS = 8  # terms of what scores are compared with, at most
_SMALLEST_UNIT = 1e-15  # so that nothing divided by two units overflows
_BEYOND = 2.0**30  # no score in whole numbers is as large
_AT_ONCE = 1024  # rows, which stay in the cache while they are worked on


@dataclass(frozen=True)
class _Rounded:
    """Vectors (n, D) as short numbers, each vector counted in a unit of its own."""

    numbers: Tensor
    unit: Tensor
    """(n,)"""
    length: Tensor
    """(n,) of the vector, before rounding."""
    lost: Tensor
    """(n,) length of what rounding took from it."""


class Screen(ABC):
    """Scores are products of rounded queries and rounded rows, less the rows' mean, which would only cost digits.

    By Cauchy and Schwarz a product is off by at most what rounding took from the query times the row, and the other
    way round.
    """

    worth = 1 / 64
    groups: Groups
    dtype: torch.dtype
    score_dtype: torch.dtype

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self._queries = [self._rounded(part, part.new_zeros(()), 1) for part in parts]
        self._mean: Tensor | None = None
        self._numbers: Tensor | None = None  # rounded rows, once asked for
        self._scratch = Scratch(parts[0], self.score_dtype)

    @abstractmethod
    def units(self, rows: Tensor, group: int) -> Tensor:
        """(n,) what to count the numbers of each of `rows` (n, D) in; the same for each `group` in turn."""

    @abstractmethod
    def multiply(self, queries: Tensor, rows: Tensor, out: Tensor) -> None:
        """(Q, n) products of rounded vectors."""

    def take(self, rows: Tensor, length: int) -> None:
        """Go on to a block."""
        if self._mean is None:  # of the first block; any vector would do
            self._mean = rows[:length].mean(0)
        self._rows, self._length, self._numbers = rows, length, None

    def scores(self, number: int) -> Tensor:
        """Products of rounded numbers."""
        if self._numbers is None:
            self._round_rows()
        assert self._numbers is not None
        queries = self._queries[number].numbers
        table = self._scratch.table(len(queries), len(self._numbers))
        self.multiply(queries, self._numbers, table)
        table[:, self._length :] = _least(self.score_dtype)
        return table

    def lowest(self, number: int, products: Tensor) -> Tensor:
        """Less what the mean has of them, and less the error; rounding scores and this alike keeps their order."""
        assert self._mean is not None
        query = self._queries[number]
        whole, summed = query.length + query.lost, _FLOAT32_ERROR * (_OTHER_SUMS + self._rows.shape[1])
        least = products - self.parts[number] @ self._mean - summed * whole * self._mean.norm()
        of_queries = torch.stack([least, -query.lost - summed * whole, -whole]) / query.unit
        one, longest, lost = zip(of_queries[..., None], self._of_groups, strict=True)
        lowest = torch.mul(*one).addcmul_(*longest).addcmul_(*lost)
        if not self.score_dtype.is_floating_point:
            lowest = lowest.floor().clamp_(-_BEYOND, _BEYOND)
        return lowest.to(self.score_dtype)

    def reached(self, number: int, scores: Tensor, maxima: Tensor, k: int) -> Tensor:
        """The least exact product of `k` rows whose scores are large."""
        query, column = _of_largest(self.groups, scores, maxima, k)
        return self.exact(number, query, column).view(len(scores), k).amin(1)

    def exact(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """Taken for these pairs alone, row after row of the block, which is too large for the caches."""
        part = self.parts[number]
        ordered, order = column.int().sort(stable=True)
        ends = torch.bincount(ordered, minlength=len(self._rows)).cumsum(0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")  # that they are new
            wanted = torch.sparse_csr_tensor(
                pad(ends, (1, 0)),
                query.index_select(0, order),
                part.new_zeros(len(query)),
                (len(self._rows), len(part)),
            )
            products: Tensor = torch.sparse.sampled_addmm(wanted, self._rows, part.T).values()
        return torch.empty_like(products).scatter_(0, order, products)

    def _round_rows(self) -> None:
        assert self._mean is not None
        short = self._rounded(self._rows, self._mean, COLUMNS)
        self._numbers = short.numbers
        unit, longest, lost = (self.groups.of(part[None])[0].amax(1) for part in (short.unit, short.length, short.lost))
        self._of_groups = torch.stack([torch.ones_like(unit), longest, lost]) / unit

    def _rounded(self, rows: Tensor, mean: Tensor, group: int) -> _Rounded:
        numbers = rows.new_empty(rows.shape, dtype=self.dtype)
        unit, length, lost = rows.new_empty(3, len(rows))
        for start in range(0, len(rows), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            centered = rows[part] - mean
            unit[part] = self.units(centered, group)
            counted = centered / unit[part, None]
            numbers[part] = counted if self.dtype.is_floating_point else counted.round_()
            length[part] = centered.norm(dim=1)
            lost[part] = centered.addcmul_(numbers[part].float(), unit[part, None], value=-1).norm(dim=1)
        return _Rounded(numbers, unit, length, lost)


class BytesScreen(Screen):
    """Integers of one byte, in units that let the largest number of a query, or of a group of rows, just fit."""

    groups, dtype, score_dtype = Near(), torch.int8, torch.int32

    def units(self, rows: Tensor, group: int) -> Tensor:
        """A 127th of the largest."""
        largest = rows.abs().amax(1).view(-1, group).amax(1)
        return (largest / 127).clamp_min_(_SMALLEST_UNIT).repeat_interleave(group)

    def multiply(self, queries: Tensor, rows: Tensor, out: Tensor) -> None:
        """Whole numbers, exact."""
        torch._int_mm(queries, rows.T, out=out)


class Bf16Screen(Screen):
    """Numbers of bf16."""

    groups, dtype, score_dtype = Far(), torch.bfloat16, torch.bfloat16

    def units(self, rows: Tensor, group: int) -> Tensor:
        """One."""
        return rows.new_ones(len(rows))

    def multiply(self, queries: Tensor, rows: Tensor, out: Tensor) -> None:
        """Rounded to bf16 in the end."""
        torch.mm(queries, rows.T, out=out)


def _of_largest(groups: Groups, scores: Tensor, maxima: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Query and column of `k` large scores of each query: the largest of the groups with the largest maxima."""
    first = torch.arange(len(maxima), device=maxima.device)[:, None] * maxima.shape[1]
    chosen = first + maxima.topk(min(k, maxima.shape[1]), sorted=False).indices
    entries = groups.members(scores, chosen.flatten()).view(*chosen.shape, -1)
    largest = entries.flatten(1).topk(k, sorted=False).indices
    group = chosen.gather(1, largest // entries.shape[2]).flatten()
    return group // maxima.shape[1], groups.columns(scores, group, largest.flatten() % entries.shape[2])


def _least(dtype: torch.dtype) -> float:
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min
