from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.metrics.neighbours import nearest
from dinobench.metrics.products import ScreeningProducts

SIZES = {
    "rows": st.integers(1, 900),
    "queries": st.integers(1, 40),
    "k": st.integers(1, 50),
    "block": st.integers(1, 400),
    "seed": st.integers(0, 2**16),
}


def _brute_force(queries, bank, k):
    return (queries @ bank.T).topk(k)


@settings(max_examples=40, deadline=None)
@given(**SIZES, query_block=st.integers(1, 50), in_order=st.booleans())
def test_equals_brute_force(rows, queries, k, block, query_block, seed, in_order):
    generator = torch.Generator().manual_seed(seed)
    bank = torch.randn(rows, 8, generator=generator, dtype=torch.float64)
    asked = torch.randn(queries, 8, generator=generator, dtype=torch.float64)
    if in_order:  # every block beats the one before
        bank = bank[(bank @ asked[0]).argsort()]
    k = min(k, rows)
    found = nearest(asked, bank.split(block), k, query_block)
    values, indices = _brute_force(asked, bank, k)
    torch.testing.assert_close(found.similarities, values)
    assert torch.equal(found.indices, indices)


def test_without_drops_the_row_or_the_last():
    bank = torch.eye(4, dtype=torch.float64) + torch.arange(4.0, dtype=torch.float64)[:, None] / 100
    found = nearest(bank, [bank], 3).without(torch.tensor([0, 1, 2, 3]))
    assert found.indices.shape == (4, 2)
    assert not (found.indices == torch.arange(4)[:, None]).any()
    other = nearest(bank[:1], [bank], 2).without(torch.tensor([1]))
    assert other.indices.tolist() == [[0]]


@settings(max_examples=40, deadline=None)
@given(**SIZES, offset=st.sampled_from([0, 1, 30]), worth=st.sampled_from([0, 1 / 64, 1]))
def test_a_screen_in_bf16_changes_nothing(rows, queries, k, block, offset, worth, seed):
    generator = torch.Generator().manual_seed(seed)
    bank = torch.nn.functional.normalize(torch.randn(rows, 8, generator=generator) + offset)
    asked = torch.nn.functional.normalize(torch.randn(queries, 8, generator=generator) + offset)
    k = min(k, rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ScreeningProducts, "worth", worth)
        found = nearest(asked, bank.split(block), k, 16, screen=True)
    values = _brute_force(asked.double(), bank.double(), k).values.float()
    torch.testing.assert_close(found.similarities, values, atol=1e-6, rtol=0)
    listed = torch.einsum("qd,qkd->qk", asked, bank[found.indices])
    torch.testing.assert_close(listed, found.similarities, atol=1e-6, rtol=0)  # the indices are those rows
    assert all(len(set(row)) == k for row in found.indices.tolist())


def test_a_screen_takes_few_exact_products(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    bank, asked = (torch.nn.functional.normalize(torch.randn(n, 64, generator=generator)) for n in (20_000, 8))
    taken = []
    exact = ScreeningProducts.exact
    monkeypatch.setattr(
        ScreeningProducts,
        "exact",
        lambda self, n, query, column: [taken.append(len(query)), exact(self, n, query, column)][1],
    )
    found = nearest(asked, [bank], 10, screen=True)
    assert 80 <= sum(taken) < 400
    torch.testing.assert_close(found.similarities, _brute_force(asked, bank, 10).values)
