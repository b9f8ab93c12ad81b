"""J, F, their statistics and whole results against the official DAVIS kit."""

from __future__ import annotations

import numpy as np
import pytest

from dinobench.metrics.boundary import boundary_f_measure, boundary_map
from dinobench.metrics.segmentation import jaccard, score_objects, statistics
from tests.golden.conftest import load_golden

TOLERANCE = 1e-9


def _masks(arrays: dict[str, np.ndarray], index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    void = arrays.get(f"pair{index:02d}/void")
    masks = (arrays[f"pair{index:02d}/{name}"].astype(bool) for name in ("gt", "result"))
    return (*masks, None if void is None else void.astype(bool))


def test_pairs_score_as_the_kit_scores_them() -> None:
    golden = load_golden("davis_metrics")
    arrays, facts = golden.arrays, golden.settings
    assert facts["pairs"]
    for pair in facts["pairs"]:
        masks = _masks(arrays, pair["index"])
        assert float(jaccard(*masks)) == pytest.approx(pair["J"], abs=TOLERANCE), pair["name"]
        assert boundary_f_measure(*masks) == pytest.approx(pair["F"], abs=TOLERANCE), pair["name"]


def test_boundaries_are_the_kits() -> None:
    golden = load_golden("davis_metrics")
    arrays, facts = golden.arrays, golden.settings
    for pair in facts["pairs"]:
        truth, _, void = _masks(arrays, pair["index"])
        seen = truth if void is None else truth & ~void
        expected = arrays[f"pair{pair['index']:02d}/gt_boundary"].astype(bool)
        np.testing.assert_array_equal(boundary_map(seen), expected, err_msg=pair["name"])


def test_sequences_score_as_the_kit_scores_them() -> None:
    golden = load_golden("davis_metrics")
    arrays, facts = golden.arrays, golden.settings
    assert facts["sequences"]
    for name, expected in facts["sequences"].items():
        scores = score_objects(arrays[f"{name}/gt"], arrays[f"{name}/result"], 1)[1]
        for letter, values in (("J", scores.j), ("F", scores.f)):
            np.testing.assert_allclose(values, arrays[f"{name}/{letter}"], atol=TOLERANCE)
            got = statistics(values)
            assert (got.mean, got.recall, got.decay) == pytest.approx(
                tuple(expected[letter][key] for key in ("mean", "recall", "decay")), abs=TOLERANCE
            )


def test_statistics_follow_the_kits_bins_without_its_8_bit_limit() -> None:
    golden = load_golden("davis_metrics")
    arrays, facts = golden.arrays, golden.settings
    assert facts["statistics"]
    for case, expected in facts["statistics"].items():
        got = statistics(arrays[f"stat_{case}/values"])
        assert got.mean == pytest.approx(expected["mean"], abs=TOLERANCE), case
        assert got.recall == pytest.approx(expected["recall"], abs=TOLERANCE), case
        assert got.decay == pytest.approx(expected["decay_without_8bit_index"], abs=TOLERANCE), case
