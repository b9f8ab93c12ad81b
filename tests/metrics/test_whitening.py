"""Whitening: what it promises of the features it was learned on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.whitening import l2_normalize, learn_whitening


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_centered_whitening_makes_the_covariance_the_identity(seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(200, dim)) * rng.uniform(0.5, 2, dim) + 3
    whitened = learn_whitening(features).apply(features)
    np.testing.assert_allclose(whitened.T @ whitened / 200, np.eye(dim), atol=1e-8)
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-8)


def test_fewer_dimensions_keep_the_strongest_directions() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 3)) * (0.1, 5, 1)
    kept = learn_whitening(features, dim=1, power=0)
    assert kept.projection.shape == (1, 3)
    assert abs(kept.projection[0, 1]) > 0.99


def test_plain_pca_keeps_distances() -> None:
    features = np.random.default_rng(1).normal(size=(40, 5))
    mapped = learn_whitening(features, power=0).apply(features)
    np.testing.assert_allclose(np.linalg.norm(mapped[0] - mapped[1]), np.linalg.norm(features[0] - features[1]))


@pytest.mark.parametrize("features, dim", [(np.empty((0, 3)), None), (np.ones((4, 3)), None), (np.eye(3), 4)])
def test_hopeless_features_are_refused(features: np.ndarray, dim: int | None) -> None:
    with pytest.raises(ValueError, match=r"non-empty|all alike|cannot keep"):
        learn_whitening(features, dim=dim)


def test_normalized_rows_have_unit_length_and_zero_stays_zero() -> None:
    rows = l2_normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert rows.tolist() == [[0.6, 0.8], [0.0, 0.0]]
