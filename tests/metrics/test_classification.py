from __future__ import annotations

import pytest
import torch

from dinobench.metrics.classification import accuracy, hits, mean_per_class, top_classes

PREDICTIONS = torch.tensor([[0, 1], [1, -1], [2, 0], [0, 2]])
LABELS = torch.tensor([1, 1, 2, 1])


def test_accuracy_counts_the_first_predictions():
    assert accuracy(PREDICTIONS, LABELS) == 50.0
    assert accuracy(PREDICTIONS, LABELS, 2) == 75.0
    assert hits(PREDICTIONS, LABELS, 5).tolist() == [True, True, True, False]


def test_no_prediction_is_never_right():
    assert accuracy(torch.tensor([[-1]]), torch.tensor([0])) == 0.0


def test_top_classes_with_fewer_classes_than_asked():
    assert top_classes(torch.tensor([[0.1, 0.9]]), 5).tolist() == [[1, 0]]


def test_mean_per_class_weighs_classes_equally():
    correct = hits(PREDICTIONS, LABELS)
    assert mean_per_class(correct, LABELS) == pytest.approx(100 * (1 / 3 + 1) / 2)
