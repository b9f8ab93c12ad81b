"""Rankings: properties that hold for any ranking, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.ranking import (
    count_above,
    positions_by_similarity,
    positions_in_list,
    precision_at,
    remove_positions,
    retrieval_scores,
    score_setup,
    standard_ap,
    trapezoid_ap,
)

POSITIONS = st.sets(st.integers(0, 60), min_size=1, max_size=20).map(sorted)


@given(POSITIONS, st.integers(0, 5))
def test_average_precision_lies_in_the_unit_interval(positions: list[int], missed: int) -> None:
    total = len(positions) + missed
    for measure in (trapezoid_ap, standard_ap):
        assert 0 < measure(positions, total) <= 1
        assert measure(positions, total) == measure(positions[::-1], total)


@given(st.integers(1, 30))
def test_a_perfect_ranking_scores_one(count: int) -> None:
    assert trapezoid_ap(range(count), count) == pytest.approx(1)
    assert standard_ap(range(count), count) == pytest.approx(1)


@given(st.integers(1, 1000))
def test_one_positive_scores_half_of_its_reciprocal_rank(position: int) -> None:
    assert trapezoid_ap([position], 1) == pytest.approx(1 / (2 * (position + 1)))
    assert standard_ap([position], 1) == pytest.approx(1 / (position + 1))


@given(POSITIONS, st.data())
def test_moving_a_positive_up_never_lowers_the_score(positions: list[int], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(positions) - 1))
    lowest = positions[index - 1] + 1 if index else 0
    better = [*positions[:index], data.draw(st.integers(lowest, positions[index])), *positions[index + 1 :]]
    for measure in (trapezoid_ap, standard_ap):
        assert measure(better, len(better)) >= measure(positions, len(positions)) - 1e-12


def test_what_was_not_retrieved_counts_in_the_denominator() -> None:
    assert trapezoid_ap([0, np.inf], 2) == 0.5
    assert precision_at([np.inf], (1, 5)).tolist() == [0, 0]


def test_precision_is_cut_at_the_last_positive() -> None:
    assert precision_at([0, 2], (1, 5)).tolist() == [1, 2 / 3]


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_ignored_images_leave_the_ranking(ranked: list[int], wanted: set[int], ignored: set[int]) -> None:
    kept = sorted(wanted - ignored)
    shifted = remove_positions(positions_in_list(ranked, kept), positions_in_list(ranked, sorted(ignored)))
    remaining = [image for image in ranked if image not in ignored]
    assert shifted.tolist() == [remaining.index(image) for image in kept]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_positions_by_similarity_equal_a_stable_sort(values: list[int], data: st.DataObject) -> None:
    similarities = np.array(values, dtype=np.float32)
    wanted = data.draw(st.lists(st.integers(0, len(values) - 1), unique=True))
    ranked = np.argsort(-similarities, kind="stable")
    np.testing.assert_array_equal(
        positions_by_similarity(similarities, wanted), positions_in_list(ranked, np.array(wanted, dtype=np.int64))
    )


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40), st.integers(1, 39))
def test_streamed_images_push_positions_down_as_if_searched_together(values: list[int], cut: int) -> None:
    similarities = np.array(values, dtype=np.float64)
    first, rest = similarities[:cut], similarities[cut:]
    wanted = np.arange(len(first))
    together = positions_by_similarity(similarities, wanted)
    apart = positions_by_similarity(first, wanted) + count_above(rest, first[wanted])
    np.testing.assert_array_equal(together, apart)


def test_a_repeated_id_is_refused() -> None:
    with pytest.raises(ValueError, match="id 3 occurs more than once"):
        positions_in_list([1, 3, 2, 3], [3])


def test_similarities_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        positions_by_similarity(np.array([0.1, np.nan]), [0])


def test_an_empty_ranking_retrieves_nothing() -> None:
    assert positions_in_list([], [4]).tolist() == [np.inf]
    assert positions_by_similarity(np.array([0.5]), []).tolist() == []


def test_queries_without_positives_leave_the_mean() -> None:
    groups = {"easy": np.array([]), "hard": np.array([1.0]), "junk": np.array([0.0])}
    easy, hard = (score_setup([groups], setup) for setup in ("easy", "hard"))
    assert not easy.counted.any() and np.isnan(easy.mean_ap) and np.isnan(easy.mean_precision).all()
    assert hard.mean_ap == 1


@pytest.mark.parametrize(
    ("positives", "junk", "ap", "precision"),
    [([0, 0, 1], [4, 4], 0.52777778, 2 / 3), ([0, 1], [1, 2], 0.41666667, 2 / 3), ([1, 3, 3], [3, 2], 0.16388889, 0.4)],
)
def test_repeated_ids_count_as_the_revisited_kit_counts_them(positives, junk, ap, precision):
    ranked = [4, 0, 2, 1, 5, 3]  # the figures are the kit's
    groups = {"easy": positions_in_list(ranked, positives), "hard": np.array([])}
    scores = score_setup([{**groups, "junk": positions_in_list(ranked, junk)}], "easy", (1, 5))
    assert scores.ap[0] == pytest.approx(ap, abs=1e-8)
    assert scores.precision[0, 1] == pytest.approx(precision)


def test_similarities_of_ones_own() -> None:
    similarities = [[0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0]]
    found = retrieval_scores(similarities, [[0, 2], [3], []], [[1], [], []], cutoffs=(1, 2))
    np.testing.assert_allclose(found.ap[:2], 1.0)
    assert not found.counted[2]
    assert retrieval_scores(similarities[:1], [[0, 2]]).mean_ap < 1
    with pytest.raises(ValueError, match="beyond 0 to 3"):
        retrieval_scores(similarities[:1], [[4]])
    with pytest.raises(ValueError, match="2 positives"):
        retrieval_scores(similarities, [[0], [1]])
