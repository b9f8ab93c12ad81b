from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.metrics.products import ExactProducts, ScreeningProducts


@settings(max_examples=40, deadline=None)
@given(
    dim=st.integers(1, 400),
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
    offset=st.sampled_from([0.0, 3.0, 100.0]),
    seed=st.integers(0, 2**16),
)
def test_no_score_is_below_the_lowest_that_its_product_allows(dim, scale, offset, seed):
    generator = torch.Generator().manual_seed(seed)
    queries, rows = (scale * (torch.randn(n, dim, generator=generator) + offset) for n in (5, 64))
    products = ScreeningProducts([queries])
    products.take(rows, len(rows))
    scores = products.scores(0)
    exact = queries.double() @ rows.double().T
    for column in range(len(rows)):
        lowest = products.lowest(0, exact[:, column].float())
        alike = products.lowest_like(0, scores[:, column])
        above = exact >= exact[:, column : column + 1]
        assert (scores >= lowest[:, None])[above].all()
        assert (scores >= alike[:, None])[above].all()


@pytest.mark.parametrize("kind", [ExactProducts, ScreeningProducts])
def test_exact_products_of_pairs_and_padding(kind):
    generator = torch.Generator().manual_seed(0)
    queries, rows = (torch.randn(n, 7, generator=generator) for n in (5, 64))
    products = kind([queries[:3], queries[3:]])
    products.take(rows, 60)
    assert (products.scores(1)[:, 60:] == -torch.inf).all()
    query, column = torch.tensor([0, 0, 1]), torch.tensor([9, 4, 59])
    torch.testing.assert_close(products.exact(1, query, column), (queries[3:][query] * rows[column]).sum(1))
    table = torch.arange(128).view(2, 64)
    assert products.grouped(table).flatten(1).sort().values.equal(table)
