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
from dinobench.runtime.parquet_files import write_columns

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
    scores.values[name] = 100.0 * correct.mean(0)
    if len(draws) > 1:
        scores.values |= {f"{name}_draw{number}": 100.0 * each for number, each in enumerate(correct, start=1)}
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
    """Write one row per image: name, true class and its number, predicted class, value (1 where right), and note it.

    Beside them stand the values of the metrics that `scores` has. `dinobench compare` pairs two such files by image.
    """
    columns = {
        "image": list(names),
        "label": [classes[label] for label in labels.tolist()],
        "predicted": [classes[found] if found >= 0 else "" for found in predictions[:, 0].tolist()],
        "value": hits(predictions, labels).int().numpy(),
        "label_number": labels.numpy(),
    }
    write_columns(path, {**columns, **scores.values})
    scores.files.append(str(path))
