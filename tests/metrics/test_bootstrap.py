from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.bootstrap import (
    accuracy_interval,
    class_mean_interval,
    interval,
    paired_difference,
    resampled_means,
)


def test_width_is_that_of_the_binomial():
    correct = np.arange(10_000) < 7_000
    low, high = accuracy_interval(correct)
    error = 100 * 1.96 * np.sqrt(0.7 * 0.3 / 10_000)
    assert low == pytest.approx(70 - error, abs=0.1)
    assert high == pytest.approx(70 + error, abs=0.1)


def test_equals_drawing_images():
    values = np.random.default_rng(1).normal(size=50)
    rng = np.random.default_rng(2)
    slow = np.percentile(values[rng.integers(0, 50, (20_000, 50))].mean(1), (2.5, 97.5))
    np.testing.assert_allclose(interval(values, repeats=20_000), slow, atol=0.01)


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_the_interval_holds_the_mean_and_repeats(correct):
    low, high = accuracy_interval(correct)
    assert 0 <= low <= 100 * np.mean(correct) + 1e-9
    assert 100 * np.mean(correct) - 1e-9 <= high <= 100
    assert accuracy_interval(correct) == (low, high)


def test_pairing_sees_what_independent_intervals_hide():
    rng = np.random.default_rng(0)
    hard = rng.random(2_000) < 0.5
    better = hard | (rng.random(2_000) < 0.02)
    found = paired_difference(better, hard)
    assert 0 < found.low < found.value < found.high
    assert found.p_value < 0.05
    assert interval(hard)[1] > interval(better)[0]


def test_equal_models_do_not_differ():
    found = paired_difference([1, 0, 1], [1, 0, 1])
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_runs_are_drawn_like_images():
    """Two runs of one model that contradict each other leave its mean open, however many the images."""
    images = 500
    steady, torn = np.tile(np.arange(images) % 2, (2, 1)), np.stack([np.zeros(images), np.ones(images)])
    open_mean, settled = paired_difference(torn, steady), paired_difference(steady, steady[:1])
    assert (open_mean.value, settled.value, settled.low, settled.high) == (0, 0, 0, 0)
    assert open_mean.low < -0.4
    assert open_mean.high > 0.4


def test_one_run_is_an_interval_over_images():
    rng = np.random.default_rng(0)
    one, other = (rng.random(400) < share for share in (0.6, 0.5))
    alone, doubled = paired_difference(one, other), paired_difference([one, one], [other, other])
    assert doubled.value == alone.value
    assert (doubled.low, doubled.high) == pytest.approx((alone.low, alone.high), abs=0.01)


def test_refusals():
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference([1], [1, 0])
    with pytest.raises(ValueError, match="no value"):
        resampled_means([])
    with pytest.raises(ValueError, match="no value"):
        paired_difference([[], []], [[]])


def test_the_interval_of_a_class_mean_is_that_of_drawing_images():
    rng = np.random.default_rng(0)
    labels, values = rng.integers(0, 4, 60), rng.random(60) < 0.6
    drawn = []
    for _ in range(3000):
        rows = rng.integers(0, 60, 60)
        present = np.unique(labels[rows])
        drawn.append(np.mean([values[rows][labels[rows] == each].mean() for each in present]))
    assert class_mean_interval(values, labels) == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=0.02)
    with pytest.raises(ValueError, match="no value"):
        class_mean_interval([], [])
