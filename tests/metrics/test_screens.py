from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.metrics.screens import Bf16Screen, BytesScreen


@pytest.mark.parametrize("kind", [BytesScreen, Bf16Screen])
@settings(max_examples=40, deadline=None)
@given(
    dim=st.integers(1, 400),
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
    offset=st.sampled_from([0.0, 3.0, 100.0]),
    zeros=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_no_score_is_below_the_lowest_that_its_product_allows(kind, dim, scale, offset, zeros, seed):
    generator = torch.Generator().manual_seed(seed)
    queries, rows = (scale * (torch.randn(n, dim, generator=generator) + offset) for n in (5, 64))
    if zeros:
        queries[0], rows[:32] = 0, 0
    products = kind([queries])
    products.take(rows, len(rows))
    scores = products.groups.of(products.scores(0))
    exact = queries.double() @ rows.double().T
    for column in range(len(rows)):
        lowest = products.lowest(0, exact[:, column].float())
        above = products.groups.of(exact >= exact[:, column : column + 1])
        assert (scores >= lowest[..., None])[above].all()
