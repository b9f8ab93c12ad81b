"""Equal to the official revisited kit, on its real ground truth and on edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from dinobench.metrics.ranking import SETUPS, positions_by_similarity, positions_in_list, score_setup
from dinobench.metrics.whitening import l2_normalize
from tests.golden.conftest import ROOT, Golden, load_golden

REAL = sorted(path.stem for path in ROOT.glob("retrieval_*.npz") if not path.stem.endswith("synthetic")) or [
    "retrieval_roxford5k"
]


def groups_of(golden: Golden, query: int) -> dict[str, np.ndarray]:
    """The judged ids of one query, by group."""
    bounds = {name: golden.arrays[f"gnd_{name}_offsets"][query : query + 2] for name in ("easy", "hard", "junk")}
    return {name: golden.arrays[f"gnd_{name}"][slice(*bound)] for name, bound in bounds.items()}


def similarities_of(golden: Golden, dtype: type) -> np.ndarray:
    unit = {name: l2_normalize(golden.arrays[name].astype(dtype)) for name in ("queries", "database")}
    return unit["queries"] @ unit["database"].T


def check(golden: Golden, queries: list, prefix: str, setup: str, tolerance: float) -> None:
    scores = score_setup(queries, setup)
    np.testing.assert_allclose(scores.ap, golden.arrays[f"{prefix}{setup}/ap"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        scores.precision, golden.arrays[f"{prefix}{setup}/precision_at_1_5_10"], rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("dtype, per_query, mean", [(np.float64, 1e-9, 1e-9), (np.float32, 1e-4, 1e-5)])
def test_real_ground_truth(name: str, dtype: type, per_query: float, mean: float) -> None:
    golden = load_golden(name, "retrieval")
    similarities = similarities_of(golden, dtype)
    queries = [
        {group: positions_by_similarity(row, ids) for group, ids in groups_of(golden, query).items()}
        for query, row in enumerate(similarities)
    ]
    expected = golden.settings["datasets"][name.removeprefix("retrieval_")]
    for setup in SETUPS:
        scores = score_setup(queries, setup)
        np.testing.assert_allclose(scores.ap, golden.arrays[f"{setup}/ap"], rtol=0, atol=per_query)
        assert scores.mean_ap == pytest.approx(expected[setup]["mAP"], rel=0, abs=mean)
        assert list(np.flatnonzero(~scores.counted)) == expected[setup]["queries_left_out"]
        if dtype is np.float64:
            check(golden, queries, "", setup, per_query)
            np.testing.assert_allclose(scores.mean_precision, expected[setup]["mP_at_1_5_10"], rtol=0, atol=mean)


@pytest.mark.parametrize("name", REAL)
def test_rankings_of_the_first_queries(name: str) -> None:
    golden = load_golden(name, "retrieval")
    ranks = next(array for key, array in golden.arrays.items() if key.startswith("ranks_first_"))
    similarities = similarities_of(golden, np.float64)
    for query in range(ranks.shape[1]):
        for ids in groups_of(golden, query).values():
            from_similarities = positions_by_similarity(similarities[query], ids)
            np.testing.assert_array_equal(from_similarities, positions_in_list(ranks[:, query], ids))


def test_synthetic_rankings() -> None:
    golden = load_golden("retrieval_synthetic", "retrieval")
    ranks = golden.arrays["ranks"]
    queries = [
        {group: positions_in_list(ranks[:, query], ids) for group, ids in groups_of(golden, query).items()}
        for query in range(ranks.shape[1])
    ]
    for setup in SETUPS:
        check(golden, queries, "", setup, 1e-12)
        expected = golden.settings["synthetic"][setup]
        scores = score_setup(queries, setup)
        assert scores.mean_ap == pytest.approx(expected["mAP"], rel=0, abs=1e-12)
        np.testing.assert_allclose(scores.mean_precision, expected["mP_at_1_5_10"], rtol=0, atol=1e-12)
        assert list(np.flatnonzero(~scores.counted)) == expected["queries_left_out"]


def test_truncated_rankings() -> None:
    golden = load_golden("retrieval_synthetic", "retrieval")
    lengths = {int(key.split("/")[0].removeprefix("truncated")) for key in golden.arrays if key.startswith("trunc")}
    for length in lengths:
        prefix = f"truncated{length}/"
        queries = [
            {
                group: positions_in_list(golden.arrays["ranks"][:length, query], ids)
                for group, ids in groups_of(golden, query).items()
            }
            for query in golden.arrays[f"{prefix}query_index"]
        ]
        for setup in SETUPS:
            check(golden, queries, prefix, setup, 1e-12)
            expected = golden.settings["synthetic"][f"truncated{length}_{setup}"]
            assert score_setup(queries, setup).mean_ap == pytest.approx(expected["mAP"], rel=0, abs=1e-12)
