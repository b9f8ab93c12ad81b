from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.bootstrap import paired_difference
from dinobench.results.verdicts import holm, mcnemar, verdict, welch


def test_no_p_value_is_zero() -> None:
    assert paired_difference(np.ones(50), np.zeros(50), repeats=99).p_value == pytest.approx(2 / 100)


def test_mcnemar_counts_the_images_on_which_the_two_disagree() -> None:
    a, b = np.array([1, 1, 1, 1, 1, 0.0]), np.array([0, 0, 0, 0, 1, 0.0])
    assert mcnemar(a, b) == pytest.approx(2 * 0.5**4)
    assert mcnemar(a, a) == 1.0
    assert mcnemar(a, np.array([0.5] * 6)) is None


def test_holm_corrects_the_smallest_most() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_corrected_p_value_is_never_smaller(values: list[float]) -> None:
    assert all(plain <= corrected <= 1 for plain, corrected in zip(values, holm(values), strict=True))


def test_one_seed_of_a_task_that_trains_tells_nothing() -> None:
    assert "cannot tell from one seed each" in verdict(0.001, (1, 1), "finetune", ("dino", "mae"))
    assert verdict(0.001, (3, 3), "finetune", ("dino", "mae")) == "A and B differ"
    assert verdict(0.001, (1, 1), "knn", ("dino", "mae")) == "A and B differ"
    assert "trainings" in verdict(0.001, (1, 1), "knn", ("dinobench", "random"))
    assert verdict(0.2, (1, 1), "knn", ("dinobench", "random")) == "no difference beyond chance"


def test_two_runs_a_side_need_more_than_their_distance() -> None:
    apart = welch(np.array([0.40, 0.46]), np.array([0.50, 0.56]))
    assert apart is not None and apart > 0.05
    many = welch(np.array([0.40, 0.46] * 4), np.array([0.50, 0.56] * 4))
    assert many is not None and many < 0.001
    assert welch(np.array([0.4]), np.array([0.5, 0.6])) is None
    assert welch(np.array([0.4, 0.4]), np.array([0.5, 0.5])) == 0.0
    assert welch(np.array([0.4, 0.4]), np.array([0.4, 0.4])) == 1.0
