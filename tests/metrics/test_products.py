from __future__ import annotations

import pytest
import torch

from dinobench.metrics.products import ExactProducts
from dinobench.metrics.screens import Bf16Screen, BytesScreen

KINDS = [ExactProducts, BytesScreen, Bf16Screen]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 5, 64])  # up to as many as there are rows; few and many beside the groups
def test_at_least_k_rows_reach_what_is_said(kind, k):
    generator = torch.Generator().manual_seed(0)
    queries, rows = (torch.randn(n, 7, generator=generator) for n in (5, 64))
    products = kind([queries])
    products.take(rows, len(rows))
    scores = products.scores(0)
    reached = products.reached(0, scores, products.groups.of(scores).amax(2), k)
    assert ((queries @ rows.T >= reached[:, None] - 1e-6).sum(1) >= k).all()


@pytest.mark.parametrize("kind", KINDS)
def test_exact_products_of_pairs_and_padding(kind):
    generator = torch.Generator().manual_seed(0)
    queries, rows = (torch.randn(n, 7, generator=generator) for n in (5, 64))
    products = kind([queries[:3], queries[3:]])
    products.take(rows, 60)
    scores = products.scores(1)
    assert (scores[:, 60:] == (torch.iinfo(scores.dtype).min if scores.dtype == torch.int32 else -torch.inf)).all()
    query, column = torch.tensor([0, 0, 1]), torch.tensor([9, 4, 59])
    torch.testing.assert_close(products.exact(1, query, column), (queries[3:][query] * rows[column]).sum(1))
