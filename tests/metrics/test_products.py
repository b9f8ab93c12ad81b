from __future__ import annotations

import pytest
import torch

from dinobench.metrics.products import ExactProducts
from dinobench.metrics.screens import Bf16Screen, BytesScreen


@pytest.mark.parametrize("kind", [ExactProducts, BytesScreen, Bf16Screen])
def test_exact_products_of_pairs_and_padding(kind):
    generator = torch.Generator().manual_seed(0)
    queries, rows = (torch.randn(n, 7, generator=generator) for n in (5, 64))
    products = kind([queries[:3], queries[3:]])
    products.take(rows, 60)
    scores = products.scores(1)
    assert (scores[:, 60:] == (torch.iinfo(scores.dtype).min if scores.dtype == torch.int32 else -torch.inf)).all()
    query, column = torch.tensor([0, 0, 1]), torch.tensor([9, 4, 59])
    torch.testing.assert_close(products.exact(1, query, column), (queries[3:][query] * rows[column]).sum(1))
