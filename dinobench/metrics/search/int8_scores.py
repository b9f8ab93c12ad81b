"""Quantized scores: products of int8 numbers, with a proven bound on the error of quantization.

CPUs with VNNI instructions multiply int8 numbers four times as fast as float32. The scores only choose candidates; the
neighbors are decided by float32 products of the candidates.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from dinobench.metrics.search.scores import GROUP, Scratch, in_groups, padded

_FLOAT32_ERROR = 2.0**-22  # per term of a sum, generously
_MORE_TERMS = 8  # terms that the bound itself adds up, at most
_SMALLEST_SCALE = 1e-15  # so that a quotient of two scales does not overflow
_BEYOND = 2.0**30  # larger than any score
_CHUNK = 1024  # rows that fit into the CPU's cache while they are quantized


@functools.cache
def int8_is_fast() -> bool:
    """Whether the CPU has VNNI instructions and torch uses them without error.

    Without them some versions of torch add pairs in 16 bits, where large numbers overflow.
    """
    try:
        if not torch.cpu._is_vnni_supported():
            return False
        extremes = torch.full((32, 384), -127, dtype=torch.int8)
        extremes[::2] = 127
        products = torch._int_mm(extremes, extremes.T)
    except (AttributeError, RuntimeError):
        return False
    return torch.equal(products.double(), extremes.double() @ extremes.T.double())


@dataclass(frozen=True)
class _Quantized:
    """Vectors (n, D) as int8 numbers times a scale for each vector.

    Attributes:
        numbers: (n, D) int8.
        scale: (n,).
        norm: (n,) of the vector.
        error: (n,) norm of the difference between the vector and its numbers times its scale.
    """

    numbers: Tensor
    scale: Tensor
    norm: Tensor
    error: Tensor


class Int8Scores:
    """Integer products of quantized queries with quantized rows, from which the mean row is subtracted first.

    By Cauchy and Schwarz a product differs from its score by at most the query's norm times the row's error plus the
    query's error times the row's norm.
    """

    max_candidates = 1 / 64

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts
        self._queries = [_quantize(part, part.new_zeros(()), group=1) for part in parts]
        self._mean: Tensor | None = None
        self._numbers: Tensor | None = None  # of the block, once scores are asked for
        self._scratch = Scratch(parts[0], torch.int32)

    def start_block(self, rows: Tensor) -> None:
        """Go on to a block."""
        if self._mean is None:  # of the first block; the bound holds for any vector
            self._mean = rows.mean(0)
        self._rows, self._numbers = rows, None

    def scores(self, number: int) -> Tensor:
        """(Q, `padded(n)`) int32."""
        if self._numbers is None:
            self._quantize_rows()
        assert self._numbers is not None
        queries = self._queries[number].numbers
        table = self._scratch.table(len(queries), len(self._numbers))
        torch._int_mm(queries, self._numbers.T, out=table)
        table[:, len(self._rows) :] = torch.iinfo(torch.int32).min
        return table

    def score_bound(self, number: int, products: Tensor) -> Tensor:
        """(Q, groups): the product less the mean's part and less the largest error, in units of the scores."""
        assert self._mean is not None
        query = self._queries[number]
        longest, summed = query.norm + query.error, _FLOAT32_ERROR * (_MORE_TERMS + self._rows.shape[1])
        least = products - self.parts[number] @ self._mean - summed * longest * self._mean.norm()
        of_queries = torch.stack([least, -query.error - summed * longest, -longest]) / query.scale
        one, norm, error = zip(of_queries[..., None], self._of_groups, strict=True)
        bound = torch.mul(*one).addcmul_(*norm).addcmul_(*error)
        return bound.floor().clamp_(-_BEYOND, _BEYOND).to(torch.int32)

    def product_bound(self, number: int, scores: Tensor, maxima: Tensor, k: int) -> Tensor:
        """The least exact product of `k` rows whose scores are large."""
        query, column = _of_largest_groups(scores, maxima, k)
        return self.exact_products(number, query, column).view(len(scores), k).amin(1)

    def exact_products(self, number: int, query: Tensor, column: Tensor) -> Tensor:
        """Computed for these pairs alone, in the order of the block's rows, since the block does not fit a cache."""
        part = self.parts[number]
        ordered, order = column.int().sort(stable=True)
        ends = torch.bincount(ordered, minlength=len(self._rows)).cumsum(0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")  # torch calls its CSR tensors new
            wanted = torch.sparse_csr_tensor(
                pad(ends, (1, 0)),
                query.index_select(0, order),
                part.new_zeros(len(query)),
                (len(self._rows), len(part)),
            )
            products: Tensor = torch.sparse.sampled_addmm(wanted, self._rows, part.T).values()
        return torch.empty_like(products).scatter_(0, order, products)

    def _quantize_rows(self) -> None:
        assert self._mean is not None
        filled = pad(self._rows, (0, 0, 0, padded(len(self._rows)) - len(self._rows)))
        rows = _quantize(filled, self._mean, GROUP)
        self._numbers = rows.numbers
        scale, norm, error = (in_groups(part[None])[0].amax(1) for part in (rows.scale, rows.norm, rows.error))
        self._of_groups = torch.stack([torch.ones_like(scale), norm, error]) / scale


def _quantize(rows: Tensor, mean: Tensor, group: int) -> _Quantized:
    """int8 numbers of `rows` (n, D) less `mean`; each `group` of rows has one scale, by its largest number."""
    numbers = rows.new_empty(rows.shape, dtype=torch.int8)
    scale, norm, error = rows.new_empty(3, len(rows))
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        centered = rows[part] - mean
        largest = centered.abs().amax(1).view(-1, group).amax(1)
        scale[part] = (largest / 127).clamp_min_(_SMALLEST_SCALE).repeat_interleave(group)
        numbers[part] = (centered / scale[part, None]).round_()
        norm[part] = centered.norm(dim=1)
        error[part] = centered.addcmul_(numbers[part].float(), scale[part, None], value=-1).norm(dim=1)
    return _Quantized(numbers, scale, norm, error)


def _of_largest_groups(scores: Tensor, maxima: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Query and column of `k` large scores of each query: the largest of the groups with the largest maxima."""
    first = torch.arange(len(maxima), device=maxima.device)[:, None] * maxima.shape[1]
    chosen = first + maxima.topk(min(k, maxima.shape[1]), sorted=False).indices
    entries = scores.view(-1, GROUP).index_select(0, chosen.flatten()).view(*chosen.shape, -1)
    largest = entries.flatten(1).topk(k, sorted=False).indices
    group = chosen.gather(1, largest // GROUP).flatten()
    return group // maxima.shape[1], group % maxima.shape[1] * GROUP + largest.flatten() % GROUP
