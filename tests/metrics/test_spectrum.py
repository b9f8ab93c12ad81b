"""Each measure on features whose value is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.spectrum import (
    alignment,
    covariance_eigenvalues,
    decay_exponent,
    effective_rank,
    lidar_rank,
    singular_values,
    uniformity,
)


def _rotation(dim: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]


@given(st.integers(1, 40), st.floats(1e-3, 1e3))
def test_the_rank_of_equal_directions_is_their_number(count: int, length: float) -> None:
    found = effective_rank(singular_values(length * torch.eye(count, 60, dtype=torch.float64)))
    assert found == pytest.approx(count, rel=1e-4)  # the definition's epsilon moves it by that


def test_the_rank_of_two_shares_is_the_exponential_of_their_entropy() -> None:
    features = torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64)) @ _rotation(2)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(singular_values(features)) == pytest.approx(math.exp(entropy), abs=1e-6)
    with pytest.raises(ValueError, match="zeros"):
        effective_rank(np.zeros(3))


@given(st.floats(0.1, 3.0), st.floats(1e-3, 1e3))
def test_alpha_of_a_power_law_is_its_exponent(alpha: float, scale: float) -> None:
    eigenvalues = scale * np.arange(1, 201, dtype=np.float64) ** -alpha
    assert decay_exponent(eigenvalues, 6, 100) == pytest.approx(alpha, abs=1e-6)
    assert decay_exponent(eigenvalues, 1, 10**6) == pytest.approx(alpha, abs=1e-6)


def test_alpha_weighs_each_eigenvalue_by_one_over_its_rank() -> None:
    eigenvalues = np.array([1.0, 0.9, 0.1])
    x, y, w = np.log([1, 2, 3]), np.log(eigenvalues), np.array([1, 1 / 2, 1 / 3])
    x0, y0 = (w @ x) / w.sum(), (w @ y) / w.sum()
    slope = (w * (x - x0)) @ (y - y0) / ((w * (x - x0)) @ (x - x0))
    assert decay_exponent(eigenvalues, 1, 3) == pytest.approx(-slope, abs=1e-9)
    with pytest.raises(ValueError, match="fewer than two"):
        decay_exponent(eigenvalues, 3, 9)


def test_eigenvalues_are_those_of_the_covariance_without_rounding() -> None:
    spread = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 2, 0], [0, -2, 0]], dtype=torch.float64)
    assert covariance_eigenvalues(spread + 5) == pytest.approx([8 / 3, 2 / 3], abs=1e-9)
    assert len(covariance_eigenvalues(torch.full((4, 3), 0.1))) == 0


def test_lidar_counts_directions_between_images_in_units_of_the_spread_within() -> None:
    means = torch.eye(3, 5, dtype=torch.float64) * torch.tensor([[4.0], [2.0], [1.0]], dtype=torch.float64)
    means = torch.cat([means, -means])  # scatter 16/3, 4/3 and 1/3
    noise = torch.eye(5, dtype=torch.float64) * torch.tensor([2.0, 1, 0.5, 1, 1], dtype=torch.float64)
    noise = torch.cat([noise, -noise])  # within: a tenth of 2 x 4, 1, 1/4
    views = (means[:, None] + noise[None]) @ _rotation(5)
    assert lidar_rank(views, 0.0) == pytest.approx(3, abs=1e-4)  # all three ratios are equal
    ratios = np.array([16 / 3, 4 / 3, 1 / 3]) / (np.array([0.8, 0.2, 0.05]) + 0.2)
    assert lidar_rank(views, 0.2) == pytest.approx(effective_rank(np.array([*ratios, 0, 0])), abs=1e-6)


def test_uniformity_of_a_square_on_the_circle() -> None:
    square = torch.tensor([[1.0, 0], [0, 3], [-2, 0], [0, -1]])
    expected = math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6)
    assert uniformity(square) == pytest.approx(expected, abs=1e-6)
    assert uniformity(torch.ones(3000, 2)) == pytest.approx(0, abs=1e-6)  # more than one block


def test_alignment_is_the_squared_distance_of_unit_vectors() -> None:
    one, other = torch.tensor([[2.0, 0], [1, 0], [1, 0]]), torch.tensor([[3.0, 0], [0, 5], [-1, 0]])
    assert alignment(one, other) == pytest.approx([0, 2, 4], abs=1e-6)
