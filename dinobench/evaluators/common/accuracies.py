"""Accuracies with bootstrap intervals, and per-image predictions on file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinobench.evaluators.base import Scores
from dinobench.metrics.bootstrap import accuracy_interval, class_mean_interval
from dinobench.metrics.classification import hits, mean_per_class
from dinobench.runtime.files import write_table_atomically

ONE_CLASS = "all images that were scored are of one class: is the folder the right one? The accuracy says little"


def add_accuracy(
    scores: Scores, name: str, draws: Sequence[Tensor], labels: Tensor, top: int = 1, seed: int = 0
) -> None:
    """Add metric `name`: the accuracy in percent with its 95% interval over images; warns where one class is all.

    Args:
        scores: to add to.
        name: of the metric; with several draws the deviation between them goes under NAME_std.
        draws: (M, P) ranked predictions of each draw of the training set.
        labels: (M,) true classes.
        top: how many of the ranked predictions count.
        seed: of the bootstrap.
    """
    correct = np.stack([hits(predictions, labels, top).numpy() for predictions in draws])
    scores.metrics[name] = 100 * float(correct.mean())
    scores.intervals[name] = accuracy_interval(correct.mean(0), seed=seed)
    if len(draws) > 1:
        scores.metrics[f"{name}_std"] = 100 * float(correct.mean(1).std(ddof=1))
    if len(np.unique(labels.numpy())) == 1 and ONE_CLASS not in scores.warnings:
        scores.warnings.append(ONE_CLASS)


def add_class_mean(scores: Scores, draws: Sequence[Tensor], labels: Tensor, seed: int = 0) -> None:
    """Add `mean_per_class`: the accuracy within each class, averaged over classes, in percent with its interval.

    Args:
        scores: to add to.
        draws: (M, P) ranked predictions of each draw of the training set.
        labels: (M,) true classes.
        seed: of the bootstrap.
    """
    correct = torch.stack([hits(predictions, labels) for predictions in draws]).double().mean(0)
    scores.metrics["mean_per_class"] = mean_per_class(correct, labels)
    low, high = class_mean_interval(correct.numpy(), labels.numpy(), seed=seed)
    scores.intervals["mean_per_class"] = (100 * low, 100 * high)


def save_predictions(
    scores: Scores, path: Path, names: Sequence[str], labels: Tensor, predictions: Tensor, classes: Sequence[str]
) -> None:
    """Write one line per image: name, true class, predicted class, value (1 where right), and note the file.

    `dinobench compare` pairs two such files by image.
    """
    right = hits(predictions, labels).int().tolist()
    rows = zip(names, labels.tolist(), predictions[:, 0].tolist(), right, strict=True)
    named = ((name, classes[label], classes[found] if found >= 0 else "", value) for name, label, found, value in rows)
    write_table_atomically(path, ("image", "label", "predicted", "value"), named)
    scores.files.append(str(path))
