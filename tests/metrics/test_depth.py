"""Errors of depth: the figures of the released code, and which pixels count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.depth import counted_pixels, depth_errors


def _drawn() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:30, :40]
    truth = np.maximum(5 + 6 * np.sin(0.7 * rows + 0.3 * columns), 0).astype(np.float32)
    return truth, np.clip(5 + 5 * np.sin(0.7 * rows + 0.3 * columns + 0.4), 0.001, 10).astype(np.float32)


def test_errors_are_those_of_dinov3s_kit() -> None:
    """Figures of calculate_depth_metrics and make_valid_mask on these arrays, in float32."""
    truth, predicted = _drawn()
    counted = counted_pixels(truth, 0.001, 10, "eigen")
    found = depth_errors(truth, predicted, counted)
    assert counted.sum() == 594
    assert (found.rmse, found.abs_rel) == pytest.approx((1.8148633241653442, 2.3025522232055664), rel=1e-6)
    shares = (0.20033669471740723, 0.5134680271148682, 0.752525269985199)
    assert (found.delta1, found.delta2, found.delta3) == pytest.approx(shares, abs=1e-6)


def test_no_pixel_that_counts_gives_nothing() -> None:
    truth = np.zeros((6, 8), dtype=np.float32)
    counted = counted_pixels(truth, 0.001, 10, "whole")
    assert not counted.any()
    assert math.isnan(depth_errors(truth, truth + 1, counted).rmse)


def test_the_parts_that_count_lie_where_the_benchmarks_have_them() -> None:
    rows = np.flatnonzero(counted_pixels(np.ones((480, 640), np.float32), 0, 2, "eigen").any(1))
    columns = np.flatnonzero(counted_pixels(np.ones((480, 640), np.float32), 0, 2, "eigen").any(0))
    assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == (45, 471, 41, 601)
    rows = np.flatnonzero(counted_pixels(np.ones((352, 1216), np.float32), 0, 2, "garg").any(1))
    assert (rows[0], rows[-1] + 1) == (143, 349)


@given(st.floats(0.5, 2.0), st.integers(0, 100))
def test_a_factor_on_both_changes_the_rmse_alone(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = (rng.uniform(1, 9, (5, 4)) for _ in range(2))
    everywhere = np.ones((5, 4), dtype=bool)
    one, other = (
        depth_errors(truth, predicted, everywhere),
        depth_errors(factor * truth, factor * predicted, everywhere),
    )
    assert other.rmse == pytest.approx(factor * one.rmse)
    assert other.abs_rel == pytest.approx(one.abs_rel)
    assert one.delta1 <= one.delta2 <= one.delta3
