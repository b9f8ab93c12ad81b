"""Scores of ranked lists by hand, and at their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.class_retrieval import class_retrieval_scores


def test_by_hand() -> None:
    same = np.array([[1, 0, 1, 1], [0, 0, 1, 0]], dtype=bool)
    scores = class_retrieval_scores(same, np.array([3, 2]), (1, 2, 3))
    assert {k: each.tolist() for k, each in scores.recalls.items()} == {1: [1, 0], 2: [1, 0], 3: [1, 1]}
    assert scores.r_precision.tolist() == pytest.approx([2 / 3, 0])
    assert scores.map_at_r.tolist() == pytest.approx([(1 + 2 / 3) / 3, 0])
    with pytest.raises(ValueError, match="too short"):
        class_retrieval_scores(same, np.array([5, 2]), (1,))


@given(st.integers(1, 8), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_perfect_lists_score_one_and_map_is_at_most_precision(relevant: int, others: int, seed: int) -> None:
    perfect = np.array([[True] * relevant + [False] * others])
    scores = class_retrieval_scores(perfect, np.array([relevant]), (1,))
    assert scores.map_at_r[0] == scores.r_precision[0] == scores.recalls[1][0] == pytest.approx(1)
    shuffled = np.random.default_rng(seed).permutation(perfect[0])[None]
    scores = class_retrieval_scores(shuffled, np.array([relevant]), (1,))
    assert 0 <= scores.map_at_r[0] <= scores.r_precision[0] + 1e-12
