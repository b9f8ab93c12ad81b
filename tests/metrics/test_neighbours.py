from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.metrics.neighbours import nearest


def _brute_force(queries, bank, k):
    return (queries @ bank.T).topk(k)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 900),
    queries=st.integers(1, 40),
    k=st.integers(1, 50),
    block=st.integers(1, 400),
    query_block=st.integers(1, 50),
    seed=st.integers(0, 2**16),
    in_order=st.booleans(),
)
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
