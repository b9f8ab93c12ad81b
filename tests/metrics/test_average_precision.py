"""Average precision beside scikit-learn, with images that do not count, drawn again, and at 11 places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from dinobench.metrics.average_precision import average_precision, eleven_point_precision, map_interval


def _draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([1, -1, 0], dtype=np.int8), 40, p=[0.3, 0.6, 0.1])
    labels[:2] = 1, -1
    return rng.normal(size=40) + 0.5 * labels, labels


@given(st.integers(0, 2**32 - 1))
def test_it_is_that_of_scikit_learn(seed: int) -> None:
    scores, labels = _draw(seed)
    counted = labels != 0
    expected = average_precision_score(labels[counted] == 1, scores[counted])
    assert average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_weights_are_repetitions(seed: int) -> None:
    scores, labels = _draw(seed)
    times = np.random.default_rng(seed).integers(0, 3, 40)
    times[0] = 1
    repeated = average_precision_score(
        np.repeat(labels, times)[np.repeat(labels, times) != 0] == 1,
        np.repeat(scores, times)[np.repeat(labels, times) != 0],
    )
    found = average_precision(scores, labels, times.astype(float))
    assert found == pytest.approx(repeated, abs=1e-12)


def test_eleven_places_by_hand() -> None:
    scores, labels = np.array([4.0, 3, 2, 1]), np.array([1, -1, 1, -1], dtype=np.int8)
    assert eleven_point_precision(scores, labels) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)
    assert eleven_point_precision(scores, np.array([1, 1, -1, -1], dtype=np.int8)) == 1
    assert np.isnan(eleven_point_precision(scores, -np.ones(4, dtype=np.int8)))
    assert np.isnan(average_precision(scores, -np.ones(4, dtype=np.int8)))


def test_the_interval_holds_the_mean() -> None:
    columns = [_draw(seed) for seed in range(3)]
    scores, labels = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
    low, high = map_interval(scores, labels, repeats=100)
    assert low < np.mean([average_precision(*column) for column in columns]) < high
