"""The reference: every product of a block of the bank is computed, and the largest are taken. Also what GPUs run."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dinobench.metrics.search.neighbors import Neighbors, rounding, settle_ties

_MORE = 8  # products beyond the k-th, among which its ties are seen


class ExactSearch:
    """Searches one block of the bank after another.

    Args:
        parts: the queries in parts (Q, D), which bound the memory to one table of (Q, n) products.
    """

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = parts

    def start_block(self, rows: Tensor) -> None:
        """Go on to the next block (n, D)."""
        self.rows = rows

    def candidates(self, number: int, known: Neighbors, k: int) -> Neighbors:
        """The nearest rows of the block to the queries of part `number`, and those that tie with the k-th."""
        return largest(self.parts[number] @ self.rows.T, k)


def largest(products: Tensor, k: int) -> Neighbors:
    """The k largest of each row of `products` (Q, n), and more where further ones are as large as the k-th."""
    count = min(k + _MORE, products.shape[1])
    values, columns = products.topk(count)
    if count > k:
        least = values[:, k - 1] - rounding(values)
        if (values[:, -1] >= least).any():
            values, columns = products.topk(int((products >= least[:, None]).sum(1).max()))
    return Neighbors(values, columns)


def nearest_exact(queries: Tensor, bank: Tensor, k: int) -> Neighbors:
    """The `k` rows of `bank` (N, D) with the largest products to each query (M, D), all products held at once."""
    return settle_ties(largest(queries @ bank.T, k), queries, bank, k)
