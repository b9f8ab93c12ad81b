import numpy as np
import pytest
import torch

from dinobench.evaluators.base import Scores
from dinobench.evaluators.common.accuracies import ONE_CLASS, add_accuracy, add_class_mean


def test_an_accuracy_is_the_mean_over_draws_with_their_deviation() -> None:
    labels = torch.tensor([0, 1, 2, 0])
    right, half = labels[:, None], torch.tensor([[0], [1], [0], [1]])
    scores = Scores({})
    add_accuracy(scores, "top1", [right, half], labels)
    assert scores.metrics["top1"] == pytest.approx(75.0)
    assert scores.metrics["top1_std"] == pytest.approx(float(np.std([100, 50], ddof=1)))
    low, high = scores.intervals["top1"]
    assert low <= 75.0 <= high
    assert not scores.warnings


def test_a_single_class_is_warned_of_once() -> None:
    labels = torch.zeros(5, dtype=torch.long)
    scores = Scores({})
    for name in ("top1", "top5"):
        add_accuracy(scores, name, [labels[:, None]], labels)
    assert scores.metrics["top1"] == 100.0
    assert scores.warnings == [ONE_CLASS]


def test_the_mean_of_classes_weighs_a_rare_class_as_any() -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    found = torch.where(torch.arange(100) < 95, 0, 1)[:, None]  # all of class 0, half of class 1
    scores = Scores({})
    add_class_mean(scores, [found], labels)
    assert scores.metrics["mean_per_class"] == pytest.approx(75.0)
    low, high = scores.intervals["mean_per_class"]
    assert 55 < low < 75 < high < 95
