from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dinobench.metrics.segmentation import ObjectScores, davis_scores, jaccard, score_video, statistics, summarize

VIDEOS = arrays(np.uint8, (5, 8, 9), elements=st.integers(0, 3))


@given(VIDEOS, VIDEOS)
def test_jaccard_is_intersection_over_union(a: np.ndarray, b: np.ndarray) -> None:
    scores = jaccard(a > 0, b > 0)
    for frame, score in enumerate(scores):
        union = ((a[frame] > 0) | (b[frame] > 0)).sum()
        assert score == (1 if union == 0 else ((a[frame] > 0) & (b[frame] > 0)).sum() / union)


@given(VIDEOS)
def test_truth_scores_one_against_itself(truth: np.ndarray) -> None:
    for scores in score_video(truth, truth).values():
        assert (scores.j == 1).all()
        assert (scores.f == 1).all()


def test_objects_come_from_the_first_frame_and_its_void_is_background() -> None:
    truth = np.zeros((4, 6, 6), dtype=np.uint8)
    truth[0, :2] = 2
    truth[0, 5] = 255
    truth[1:, 4:] = 3
    scores = score_video(truth, np.zeros_like(truth))
    assert list(scores) == [1, 2]
    assert scores[2].j.shape == (2,)


@given(arrays(np.float64, st.integers(4, 400), elements=st.floats(0, 1)))
def test_statistics_are_bounded_and_turn_with_time(values: np.ndarray) -> None:
    forwards, backwards = statistics(values), statistics(values[::-1])
    assert 0 <= forwards.mean <= 1
    assert 0 <= forwards.recall <= 1
    assert forwards.mean == pytest.approx(backwards.mean)
    if len(values) % 4 == 1:  # only then do the quarters mirror exactly
        assert forwards.decay == pytest.approx(-backwards.decay)


def test_decay_of_a_falling_score_is_positive() -> None:
    assert statistics(np.linspace(1, 0, 300)).decay == pytest.approx(0.75, abs=0.01)


def test_nan_frames_leave_the_mean_and_are_not_recalled() -> None:
    values = np.array([1.0, np.nan, 1.0, 0.0, 0.0])
    assert statistics(values).mean == 0.5
    assert statistics(values).recall == pytest.approx(0.4)


def test_summary_averages_objects_not_frames() -> None:
    long, short = ObjectScores(np.ones(90), np.ones(90)), ObjectScores(np.zeros(3), np.ones(3))
    summary = summarize({"a_1": long, "b_1": short})
    assert summary["j_mean"] == 0.5
    assert summary["jf_mean"] == pytest.approx(0.75)


def test_masks_of_ones_own() -> None:
    truth = np.zeros((4, 20, 20), np.uint8)
    truth[:, 4:10, 4:10] = 1
    assert davis_scores({"a": (truth, truth)})["jf_mean"] == 1
    both = davis_scores({"a": (truth, truth), "b": (truth, np.zeros_like(truth))})
    assert both["j_mean"] == 0.5
    with pytest.raises(ValueError, match="holds no object"):
        davis_scores({"a": (0 * truth, truth)})
    with pytest.raises(ValueError, match="video a"):
        davis_scores({"a": (truth, truth[:2])})
