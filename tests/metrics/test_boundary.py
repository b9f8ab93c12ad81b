from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation

from dinobench.metrics.boundary import boundary_f_measure, boundary_map

MASKS = arrays(bool, (13, 17), elements=st.booleans())
WIDE = 0.12  # radius 3 on these small masks


def by_dilation(truth: np.ndarray, prediction: np.ndarray, radius: int) -> float:
    """The measure as one would write it down: dilate each boundary by a disk, count what falls inside."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = y**2 + x**2 <= radius**2
    true, found = boundary_map(truth), boundary_map(prediction)
    if not true.any() or not found.any():
        return float(true.any() == found.any())
    precision = (found & binary_dilation(true, disk)).sum() / found.sum()
    recall = (true & binary_dilation(found, disk)).sum() / true.sum()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


@given(MASKS, MASKS)
def test_equals_dilation_by_a_disk(truth: np.ndarray, prediction: np.ndarray) -> None:
    radius = int(np.ceil(WIDE * np.hypot(*truth.shape)))
    assert np.isclose(boundary_f_measure(truth, prediction, tolerance=WIDE), by_dilation(truth, prediction, radius))


@given(MASKS, MASKS)
def test_is_symmetric_and_blind_to_inversion(a: np.ndarray, b: np.ndarray) -> None:
    score = boundary_f_measure(a, b)
    assert 0 <= score <= 1
    assert np.isclose(score, boundary_f_measure(b, a))
    assert np.isclose(score, boundary_f_measure(~a, b))


@given(MASKS)
def test_a_mask_matches_itself(mask: np.ndarray) -> None:
    assert boundary_f_measure(mask, mask) == 1


def test_a_far_object_matches_nothing() -> None:
    truth, prediction = np.zeros((2, 100, 100), dtype=bool)
    truth[5:15, 5:15], prediction[70:90, 70:90] = True, True
    assert boundary_f_measure(truth, prediction) == 0


def test_void_is_taken_out_of_both() -> None:
    truth, prediction, void = np.zeros((3, 50, 50), dtype=bool)
    truth[10:20, 10:20], prediction[10:20, 10:40], void[:, 20:] = True, True, True
    assert boundary_f_measure(truth, prediction, void) == 1
    assert boundary_f_measure(truth, prediction) < 1
