"""Means of semantic segmentation, by hand, beside scikit-learn, and where classes are absent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, jaccard_score, recall_score

from dinobench.metrics.class_areas import class_areas, class_ious, mean_intervals, segmentation_means


@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_means_are_those_of_scikit_learn(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (9, 7), dtype=np.uint8)
    prediction = rng.integers(0, classes, (9, 7), dtype=np.uint8)
    truth[0, :3] = 255
    known = truth != 255
    true, found = truth[known], prediction[known]
    means = segmentation_means(class_areas(truth, prediction, classes))
    assert means.miou == pytest.approx(jaccard_score(true, found, average="macro"), abs=1e-12)
    assert means.macc == pytest.approx(
        recall_score(true, found, average="macro", labels=np.unique(true), zero_division=0), abs=1e-12
    )
    assert means.aacc == pytest.approx((true == found).mean(), abs=1e-12)
    common, rows, columns = class_areas(truth, prediction, classes)
    table = confusion_matrix(true, found, labels=range(classes))
    assert (np.diag(table) == common).all() and (table.sum(1) == rows).all() and (table.sum(0) == columns).all()


def test_absent_classes_are_left_out_and_void_predictions_are_wrong() -> None:
    truth = np.array([[0, 0, 1, 255]], dtype=np.uint8)
    prediction = np.array([[0, 255, 1, 2]], dtype=np.uint8)
    areas = class_areas(truth, prediction, 4)
    assert areas.tolist() == [[1, 1, 0, 0], [2, 1, 0, 0], [1, 1, 0, 0]]
    assert class_ious(areas)[:2].tolist() == [0.5, 1.0]
    assert np.isnan(class_ious(areas)[2:]).all()
    means = segmentation_means(areas)
    assert (means.miou, means.macc, means.aacc) == (0.75, 0.75, pytest.approx(2 / 3))


def test_intervals_hold_the_means_and_close_where_all_images_are_alike() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (40, 8, 8), dtype=np.uint8)
    prediction = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 3, truth.shape)).astype(np.uint8)
    areas = np.stack([class_areas(*pair, 3) for pair in zip(truth, prediction, strict=True)])
    means = segmentation_means(areas.sum(0))
    for name, (low, high) in mean_intervals(areas).items():
        assert low < getattr(means, name) < high < low + 0.1
    same = mean_intervals(np.repeat(areas[:1], 10, axis=0))["miou"]
    assert same == pytest.approx([float(segmentation_means(areas[0]).miou)] * 2)
