from __future__ import annotations

import pytest
import torch

from dinobench.metrics.search.int8_scores import Int8Scores
from dinobench.metrics.search.scores import ProductScores, in_groups

KINDS = [ProductScores, Int8Scores]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 5, 64])  # up to as many as there are rows; few and many beside the groups
def test_at_least_k_rows_reach_the_bound(kind, k):
    generator = torch.Generator().manual_seed(0)
    queries, rows = (torch.randn(n, 7, generator=generator) for n in (5, 64))
    kept = kind([queries])
    kept.start_block(rows)
    scores = kept.scores(0)
    bound = kept.product_bound(0, scores, in_groups(scores).amax(2), k)
    assert ((queries @ rows.T >= bound[:, None] - 1e-6).sum(1) >= k).all()


@pytest.mark.parametrize("kind", KINDS)
def test_exact_products_of_pairs_and_padding(kind):
    generator = torch.Generator().manual_seed(0)
    queries, rows = (torch.randn(n, 7, generator=generator) for n in (5, 64))
    kept = kind([queries[:3], queries[3:]])
    kept.start_block(rows[:60])
    scores = kept.scores(1)
    assert (scores[:, 60:] == (torch.iinfo(scores.dtype).min if scores.dtype == torch.int32 else -torch.inf)).all()
    query, column = torch.tensor([0, 0, 1]), torch.tensor([9, 4, 59])
    found = kept.exact_products(1, query, column)
    torch.testing.assert_close(found, (queries[3:][query] * rows[column]).sum(1))
