from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dinobench.metrics.attention_mask import attention_masks, best_head_jaccard, enlarge_masks, head_jaccard

WEIGHTS = arrays(np.float32, (3, 20), elements=st.floats(0.0625, 1, width=32))


@given(WEIGHTS, st.floats(0.05, 0.95))
def test_keeps_the_highest_weights_up_to_the_share(weights: np.ndarray, share: float) -> None:
    for row, mask in zip(weights, attention_masks(weights, share), strict=True):
        assert row[mask].sum() / row.sum() >= share - 1e-5
        assert row[mask].min() >= row[~mask].max(initial=0)


@given(WEIGHTS, st.floats(0.5, 8))
def test_only_relative_weights_matter(weights: np.ndarray, scale: float) -> None:
    weights = weights + np.arange(20) / 64  # apart, so that rounding cannot reorder them
    kept, scaled = attention_masks(weights, 0.6), attention_masks(weights * scale, 0.6)
    assert (kept != scaled).sum() <= 3


@given(WEIGHTS)
def test_a_larger_share_keeps_more(weights: np.ndarray) -> None:
    assert (attention_masks(weights, 0.6) <= attention_masks(weights, 0.8)).all()


def test_enlarge_repeats_cells() -> None:
    np.testing.assert_array_equal(enlarge_masks(np.array([[True, False]]), 2), [[True, True, False, False]] * 2)


def test_void_can_be_left_out_or_background() -> None:
    truth = np.array([[1, 1, 255, 0]], dtype=np.uint8)
    masks = np.array([[[True, True, True, False]], [[False, False, False, True]]])
    assert head_jaccard(masks, truth, void_left_out=True).tolist() == [[1.0, 0.0]]
    assert head_jaccard(masks, truth, void_left_out=False) == pytest.approx(np.array([[2 / 3, 0.0]]))


def test_the_mean_is_over_objects_of_the_best_head() -> None:
    assert best_head_jaccard(np.array([[0.2, 0.6], [0.4, 0.1]])) == pytest.approx(0.5)
    assert np.isnan(best_head_jaccard(np.zeros((0, 2))))
