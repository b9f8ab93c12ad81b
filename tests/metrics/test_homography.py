"""Homographies by their corners, and patches that are found where they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.homography import homography_of, mapped, match_errors, patch_centers, random_homography


@given(st.integers(0, 2**32 - 1))
def test_corners_move_inwards_and_the_map_is_opencvs(seed: int) -> None:
    homography = random_homography(np.random.default_rng(seed), 64, 0.2)
    corners = np.array([(0, 0), (63, 0), (63, 63), (0, 63)], dtype=float)
    moved = mapped(homography, corners)
    assert (np.abs(moved - corners) <= 0.2 * 64 + 1e-9).all()
    assert ((moved >= -1e-9) & (moved <= 63 + 1e-9)).all()
    expected = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    np.testing.assert_allclose(homography, expected, atol=1e-3)


def test_centers_count_pixels_from_zero() -> None:
    assert patch_centers(2, 3, 4).tolist() == [[1.5, 1.5], [5.5, 1.5], [9.5, 1.5], [1.5, 5.5], [5.5, 5.5], [9.5, 5.5]]


def test_a_view_moved_by_whole_patches_is_matched_exactly() -> None:
    image = torch.randn(6, 6, 16, generator=torch.Generator().manual_seed(0))
    view = torch.roll(image, (1, 2), dims=(0, 1))
    shifted = homography_of(
        np.array([(0, 0), (9, 0), (9, 9), (0, 9)], dtype=float),
        np.array([(16, 8), (25, 8), (25, 17), (16, 17)], dtype=float),
    )
    errors = match_errors(image, view, shifted, 8)
    assert len(errors.found) == 5 * 4  # the others left the view
    assert errors.found == pytest.approx(0, abs=1e-9)
    assert errors.best == pytest.approx(0, abs=1e-9)
    assert errors.same == pytest.approx(np.hypot(16, 8) / 48)


@given(st.integers(0, 2**32 - 1))
def test_nothing_is_nearer_than_the_grid_allows(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image, view = torch.randn(2, 5, 5, 4, generator=generator)
    errors = match_errors(image, view, random_homography(np.random.default_rng(seed), 40, 0.3), 8)
    assert (errors.best <= errors.found + 1e-9).all()
    assert (errors.best <= errors.same + 1e-9).all()
    assert (errors.best <= 8 / 2 * 2**0.5 / 40 + 1e-9).all()
