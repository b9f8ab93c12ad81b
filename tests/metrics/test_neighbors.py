from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.metrics.neighbors import nearest
from dinobench.metrics.screens import Bf16Screen, BytesScreen, Screen

SCREENS = [(BytesScreen,), (Bf16Screen,), (BytesScreen, Bf16Screen)]

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


@settings(max_examples=60, deadline=None)
@given(
    **SIZES,
    offset=st.sampled_from([0, 1, 30]),
    worth=st.sampled_from([0, 1 / 64, 1]),
    screens=st.sampled_from(SCREENS),
    copies=st.booleans(),
)
def test_screens_change_nothing(rows, queries, k, block, offset, worth, screens, copies, seed):
    generator = torch.Generator().manual_seed(seed)
    bank = torch.nn.functional.normalize(torch.randn(rows, 8, generator=generator) + offset)
    asked = torch.nn.functional.normalize(torch.randn(queries, 8, generator=generator) + offset)
    if copies:
        bank[: rows // 2] = bank[0]
    k = min(k, rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Screen, "worth", worth)
        found = nearest(asked, bank.split(block), k, 16, screens=screens)
    values = _brute_force(asked.double(), bank.double(), k).values.float()
    torch.testing.assert_close(found.similarities, values, atol=1e-6, rtol=0)
    listed = torch.einsum("qd,qkd->qk", asked, bank[found.indices])
    torch.testing.assert_close(listed, found.similarities, atol=1e-6, rtol=0)  # the indices are those rows
    assert all(len(set(row)) == k for row in found.indices.tolist())


def _count_exact_products(monkeypatch) -> list[tuple[type[Screen], int]]:
    taken = []
    exact = Screen.exact

    def counted(self, number, query, column):
        taken.append((type(self), len(query)))
        return exact(self, number, query, column)

    monkeypatch.setattr(Screen, "exact", counted)
    return taken


@pytest.mark.parametrize(("screen", "most"), [(BytesScreen, 1200), (Bf16Screen, 400)])
def test_a_screen_takes_few_exact_products(screen, most, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    bank, asked = (torch.nn.functional.normalize(torch.randn(n, 64, generator=generator)) for n in (20_000, 8))
    taken = _count_exact_products(monkeypatch)
    found = nearest(asked, [bank], 10, screens=[screen])
    assert 160 <= sum(count for _, count in taken) < most  # ten for a bound, and those above it
    torch.testing.assert_close(found.similarities, _brute_force(asked, bank, 10).values)


def test_a_screen_that_tells_little_makes_way_for_a_finer_one(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    bank, asked = (torch.randn(n, 64, generator=generator) for n in (4096, 8))
    bank *= 1e-3
    bank[:, 0] = torch.randint(-1, 2, (4096,), generator=generator)  # so large that bytes see nothing else
    asked[:, 0] = 0
    taken = _count_exact_products(monkeypatch)
    found = nearest(asked, bank.split(1024), 3, screens=[BytesScreen, Bf16Screen])
    assert Bf16Screen in [screen for screen, _ in taken][-4:]
    torch.testing.assert_close(found.similarities, _brute_force(asked, bank, 3).values)
