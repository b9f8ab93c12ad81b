from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from dinobench.metrics.search import nearest as nearest_module
from dinobench.metrics.search.exact import ExactSearch, nearest_exact
from dinobench.metrics.search.int8_scores import Int8Scores, int8_is_fast
from dinobench.metrics.search.nearest import ENGINES, nearest
from dinobench.metrics.search.prefilter import PrefilteredSearch

SIZES = {
    "rows": st.integers(1, 900),
    "queries": st.integers(1, 40),
    "k": st.integers(1, 50),
    "block": st.integers(1, 400),
    "seed": st.integers(0, 2**16),
}


def _brute_force(queries, bank, k):
    return (queries @ bank.T).sort(dim=1, descending=True, stable=True)


@settings(max_examples=40, deadline=None)
@given(**SIZES, query_block=st.integers(1, 50), in_order=st.booleans())
def test_equals_brute_force(rows, queries, k, block, query_block, seed, in_order):
    generator = torch.Generator().manual_seed(seed)
    bank = torch.randn(rows, 8, generator=generator, dtype=torch.float64)
    asked = torch.randn(queries, 8, generator=generator, dtype=torch.float64)
    if in_order:  # every block beats the one before
        bank = bank[(bank @ asked[0]).argsort()]
    k = min(k, rows)
    found = nearest(asked, bank.split(block), k, query_block=query_block)
    values, indices = _brute_force(asked, bank, k)
    torch.testing.assert_close(found.similarities, values[:, :k])
    assert torch.equal(found.indices, indices[:, :k])


def test_without_drops_the_row_or_the_last():
    bank = torch.eye(4, dtype=torch.float64) + torch.arange(4.0, dtype=torch.float64)[:, None] / 100
    found = nearest(bank, [bank], 3).without(torch.tensor([0, 1, 2, 3]))
    assert found.indices.shape == (4, 2)
    assert not (found.indices == torch.arange(4)[:, None]).any()
    other = nearest(bank[:1], [bank], 2).without(torch.tensor([1]))
    assert other.indices.tolist() == [[0]]


def _whole(shape, generator):
    return torch.randint(-3, 4, shape, generator=generator).float()  # whose products no rounding changes


@pytest.mark.parametrize("engine", [*ENGINES, "reference"])
@settings(max_examples=30, deadline=None)
@given(**SIZES)
def test_of_equal_rows_the_first_come_first(engine, rows, queries, k, block, seed):
    if engine == "faiss":
        pytest.importorskip("faiss")
    generator = torch.Generator().manual_seed(seed)
    bank, asked = _whole((rows, 4), generator), _whole((queries, 4), generator)
    k = min(k, rows)
    values, indices = _brute_force(asked, bank, k)
    with pytest.MonkeyPatch.context() as patched:
        if engine == "prefilter":
            patched.setattr(nearest_module, "int8_is_fast", lambda: True)
            patched.setattr(Int8Scores, "max_candidates", 1)
        if engine == "reference":
            patched.setattr(nearest_module, "PrefilteredSearch", lambda parts, quantized: ExactSearch(parts))
        name = "exact" if engine == "reference" else engine
        found = nearest(asked, bank.split(block), k, engine=name, query_block=16)
    assert torch.equal(found.similarities, values[:, :k])
    assert torch.equal(found.indices, indices[:, :k])


@settings(max_examples=60, deadline=None)
@given(**SIZES, offset=st.sampled_from([0, 1, 30]), most=st.sampled_from([0, 1 / 64, 1]), copies=st.booleans())
def test_quantized_scores_change_nothing(rows, queries, k, block, offset, most, copies, seed):
    generator = torch.Generator().manual_seed(seed)
    bank = normalize(torch.randn(rows, 8, generator=generator) + offset)
    asked = normalize(torch.randn(queries, 8, generator=generator) + offset)
    if copies:
        bank[: rows // 2] = bank[0]
    k = min(k, rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Int8Scores, "max_candidates", most)
        patched.setattr(nearest_module, "int8_is_fast", lambda: True)
        found = nearest(asked, bank.split(block), k, engine="prefilter", query_block=16)
    values = _brute_force(asked.double(), bank.double(), k).values.float()
    torch.testing.assert_close(found.similarities, values[:, :k], atol=1e-6, rtol=0)
    listed = torch.einsum("qd,qkd->qk", asked, bank[found.indices])
    torch.testing.assert_close(listed, found.similarities, atol=1e-6, rtol=0)  # the indices are those rows
    assert all(len(set(row)) == k for row in found.indices.tolist())


def _count_exact_products(monkeypatch) -> list[int]:
    taken = []
    exact = Int8Scores.exact_products

    def counted(self, number, query, column):
        taken.append(len(query))
        return exact(self, number, query, column)

    monkeypatch.setattr(Int8Scores, "exact_products", counted)
    return taken


def test_the_prefilter_leaves_few_candidates(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    bank, asked = (normalize(torch.randn(n, 64, generator=generator)) for n in (20_000, 8))
    monkeypatch.setattr(nearest_module, "int8_is_fast", lambda: True)
    taken = _count_exact_products(monkeypatch)
    found = nearest(asked, [bank], 10, engine="prefilter")
    assert 160 <= sum(taken) < 1200  # ten for a bound, and those above it
    assert torch.equal(found.indices, nearest_exact(asked, bank, 10).indices)


def test_scores_that_leave_too_many_candidates_are_given_up(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    bank, asked = (torch.randn(n, 64, generator=generator) for n in (4096, 8))
    bank *= 1e-3
    bank[:, 0] = torch.randint(-1, 2, (4096,), generator=generator)  # so large that int8 sees nothing else
    asked[:, 0] = 0
    search = PrefilteredSearch([asked], quantized=True)
    known = nearest_exact(asked, bank[:1024], 3)
    search.start_block(bank[1024:])
    found = search.candidates(0, known, 3)
    assert [type(kind).__name__ for kind in search.kinds] == ["ProductScores"]
    assert (found.similarities.amax(1) > known.similarities[:, -1]).any()


@pytest.fixture
def a_trial_of_all(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(nearest_module, "TRIAL_QUERIES", 20)
    monkeypatch.setattr(nearest_module, "FIRST_ROWS", 100)
    monkeypatch.setattr(nearest_module, "WORTH_A_TRIAL", 400 * 300)
    monkeypatch.setattr(nearest_module, "int8_is_fast", lambda: True)


@pytest.fixture
def searched_by(monkeypatch):
    """(engine, queries, rows) of each part, and a list of the one engine that takes half of the others' time."""
    searched, now, first = [], [0.0], ["exact"]
    search = nearest_module._Search._search_part
    monkeypatch.setattr(nearest_module.time, "perf_counter", lambda: now[0])

    def timed(self, name, number, rows):
        search(self, name, number, rows)
        queries = len(self.parts[number])
        now[0] += queries * (1 if name == first[0] else 2)
        searched.append((name, queries, len(rows)))

    monkeypatch.setattr(nearest_module._Search, "_search_part", timed)
    return searched, first


def _blocks_searched(searched_by, fastest):
    """What was searched for 300 queries among four blocks of 500 rows, after the answer was looked at."""
    searched, first = searched_by
    first[0] = fastest
    generator = torch.Generator().manual_seed(0)
    bank, asked = (normalize(torch.randn(n, 16, generator=generator)) for n in (2000, 300))
    found = nearest(asked, bank.split(500), 7)
    assert found.engine == fastest
    assert torch.equal(found.indices, nearest_exact(asked, bank, 7).indices)
    return searched


@pytest.mark.parametrize("fastest", ENGINES)
def test_auto_goes_on_with_the_engine_that_was_fastest(a_trial_of_all, searched_by, fastest):
    searched = _blocks_searched(searched_by, fastest)
    assert sum(queries * rows for _, queries, rows in searched) == 300 * 2000  # no row is searched twice
    assert {name: sum(q * n for by, q, n in searched if by == name) for name in ENGINES if name != fastest} == {
        name: 20 * 400 + (300 * 100 if name == "exact" else 0) for name in ENGINES if name != fastest
    }


@pytest.mark.parametrize("fastest", ENGINES)
def test_few_queries_have_the_trial_at_a_later_block(a_trial_of_all, searched_by, fastest, monkeypatch):
    monkeypatch.setattr(nearest_module, "WORTH_A_TRIAL", 300 * 1500)
    searched = _blocks_searched(searched_by, fastest)
    tried = [(name, 20, 500) for name in ENGINES]
    assert searched[:6] == [("exact", 300, 500), ("exact", 300, 500), *tried, (fastest, 240, 500)]
    assert searched[6:] == [(fastest, queries, 500) for queries in (20, 20, 20, 240)]


@pytest.mark.parametrize(("default", "now"), [(128_000, 64), (20, 20)])
def test_faiss_multiplies_matrices_for_few_queries_too(default, now, monkeypatch):
    faiss = pytest.importorskip("faiss")
    monkeypatch.setattr(faiss.cvar, "distance_compute_blas_threshold", default)
    bank, asked = (torch.randn(n, 16, generator=torch.Generator().manual_seed(n)) for n in (50, 9))
    found = nearest(asked, [bank], 3, engine="faiss")
    assert faiss.cvar.distance_compute_blas_threshold == now
    assert torch.equal(found.indices, nearest_exact(asked, bank, 3).indices)


@pytest.mark.parametrize("queries", [300, 301, 257])
def test_a_trial_takes_no_more_queries_than_there_are(a_trial_of_all, queries, monkeypatch):
    monkeypatch.setattr(nearest_module, "TRIAL_QUERIES", 1000)
    bank, asked = (torch.randn(n, 16, generator=torch.Generator().manual_seed(n)) for n in (700, queries))
    found = nearest(asked, bank.split(500), 7)
    assert torch.equal(found.indices, nearest_exact(asked, bank, 7).indices)


def test_auto_has_a_trial_only_where_it_pays(a_trial_of_all, searched_by):
    bank, asked = torch.randn(300, 16), torch.randn(300, 16)
    assert nearest(asked, [bank], 5).engine == "exact"
    assert searched_by[0] == [("exact", 300, 300)]
    assert nearest_module._engine_names(asked, "auto") == ENGINES
    assert nearest_module._engine_names(asked[:20], "auto") == ("exact", "faiss")
    assert nearest_module._engine_names(asked.double(), "auto") == ("exact",)
    assert nearest_module._engine_names(asked.to("meta"), "auto") == ("exact",)
    assert nearest_module._engine_names(asked.to("meta"), "prefilter") == ("exact",)


def test_without_vnni_faiss_comes_first_but_is_not_imported_for_a_small_search(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(nearest_module, "int8_is_fast", lambda: False)
    bank, asked = torch.randn(300, 16), torch.randn(300, 16)
    assert nearest_module._engine_names(asked, "auto") == ("faiss", "exact")
    assert nearest(asked, [bank], 5).engine == "faiss"
    monkeypatch.delitem(sys.modules, "faiss")
    found = nearest(asked, [bank], 5)
    assert found.engine == "exact"
    assert "faiss" not in sys.modules
    monkeypatch.setattr(nearest_module, "WORTH_AN_IMPORT", 300 * 300)
    assert nearest(asked, [bank], 5).engine == "faiss"


def test_refuses_what_no_engine_takes():
    with pytest.raises(ValueError, match="use auto, exact"):
        nearest(torch.zeros(1, 2), [torch.zeros(1, 2)], 1, engine="blocks")
    with pytest.raises(ValueError, match="float32"):
        nearest(torch.zeros(1, 2).double(), [torch.zeros(1, 2)], 1, engine="faiss")


@pytest.mark.parametrize("wrong", [lambda left, right: (left.int() @ right.int()).clamp(max=2**15), None])
def test_int8_is_used_only_where_it_is_exact(wrong, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    monkeypatch.setattr(torch, "_int_mm", lambda left, right: left.int() @ right.int())
    assert int8_is_fast.__wrapped__()
    if wrong:
        monkeypatch.setattr(torch, "_int_mm", wrong)
    else:
        monkeypatch.delattr(torch.cpu, "_is_vnni_supported")
    assert not int8_is_fast.__wrapped__()
