"""Weighted k-nearest-neighbor classification of frozen features (paper, appendix F.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.accuracies import add_accuracy, save_predictions
from dinobench.evaluators.common.labeled_features import LabeledFeatures, labeled_features, require_same_classes
from dinobench.evaluators.common.low_shot import chosen_rows
from dinobench.evaluators.common.search import BANK_ROWS, RowsInMemory, screens_for, search
from dinobench.evaluators.knn.settings import Settings
from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.classification import accuracy
from dinobench.metrics.neighbors import QUERY_ROWS, Neighbors, nearest
from dinobench.runtime.errors import InputError

TOP = 5
_VOTES = 2**22  # in the table of one block of test images

Array = Tensor | np.ndarray


@dataclass(frozen=True)
class KnnPredictions:
    """Ranked classes of every test image, by k.

    Attributes:
        top: for each k, (M, 5) int64 classes with the most votes, best first; -1 beyond the classes that got a vote
            (at most min(5, k, classes) do), so a class without a vote is never right.
    """

    top: Mapping[int, Tensor]

    def predicted(self, k: int) -> Tensor:
        """(M,) class with the most votes among the k nearest."""
        return self.top[k][:, 0]

    def accuracy(self, labels: Array, k: int, top: int = 1) -> float:
        """Percentage of the test images whose label is among the `top` best classes; labels (M,)."""
        return accuracy(self.top[k], torch.as_tensor(labels), top)


def knn_classify(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    *,
    ks: Sequence[int] = (10, 20, 100, 200),
    temperature: float = 0.07,
    num_classes: int | None = None,
    block: int = QUERY_ROWS,
    device: torch.device | str | None = None,
) -> KnnPredictions:
    """Classify by the k nearest training features, each voting exp(cosine / temperature); every k from one search.

    Args:
        train_features: (N, D), l2-normalized; a memory-mapped array is read block by block.
        train_labels: (N,) classes from 0.
        test_features: (M, D), l2-normalized.
        ks: neighbors to count, each at most N.
        temperature: of the votes.
        num_classes: classes there are, by default the largest training label plus one.
        block: test images per matrix product, which bounds the memory.
        device: where to compute, by default the test features' device.

    Raises:
        InputError: a k above N, or labels that do not fit the features.
    """
    labels = torch.as_tensor(train_labels)
    if len(labels) != len(train_features):
        raise InputError(f"{len(labels)} labels for {len(train_features)} training features; give one per feature")
    _check(len(train_features), labels, ks, temperature, num_classes)
    queries = torch.as_tensor(test_features).to(device)
    found = nearest(queries, blocks_of(train_features), max(ks), block, screens=screens_for(queries))
    return vote(found, labels, ks, temperature, num_classes)


def blocks_of(features: Array, rows: int = BANK_ROWS) -> Iterator[Tensor]:
    """Consecutive rows of an array as tensors, for `nearest`."""
    for start in range(0, len(features), rows):
        part = features[start : start + rows]
        yield part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))  # a map may not be writable


def vote(
    found: Neighbors, labels: Tensor, ks: Iterable[int], temperature: float, num_classes: int | None = None
) -> KnnPredictions:
    """Turn neighbors (M, >= max(ks)) into predictions; `labels` (N,) are those of the bank."""
    classes = num_classes or int(labels.max()) + 1
    labels = labels.to(found.indices.device)
    rows = max(1, _VOTES // classes)
    pieces = [
        _vote(similarities, labels[indices], sorted(set(ks)), temperature, classes)
        for similarities, indices in zip(
            torch.split(found.similarities, rows), torch.split(found.indices, rows), strict=True
        )
    ]
    return KnnPredictions({k: torch.cat([piece[k] for piece in pieces]) for k in sorted(set(ks))})


def _vote(similarities: Tensor, labels: Tensor, ks: list[int], temperature: float, classes: int) -> dict[int, Tensor]:
    # Relative to the nearest neighbor, so that no temperature overflows; the floor keeps a vote a vote.
    weights = ((similarities - similarities[:, :1]) / temperature).exp()
    weights = weights.clamp_min(torch.finfo(weights.dtype).tiny)
    votes = weights.new_zeros(len(weights), classes)
    ranked, counted = {}, 0
    for k in ks:
        votes.scatter_add_(1, labels[:, counted:k], weights[:, counted:k])
        counted = k
        best, order = votes.topk(min(TOP, classes))
        ranked[k] = order.masked_fill(best == 0, -1)
    return ranked


def _check(available: int, labels: Tensor, ks: Sequence[int], temperature: float, num_classes: int | None) -> None:
    if not ks or min(ks) < 1 or max(ks) > available:
        raise InputError(
            f"k-NN with k = {', '.join(map(str, ks)) or 'nothing'} needs 1 <= k <= {available}, "
            f"the number of training images; use --set ks=[...] with smaller numbers"
        )
    if temperature <= 0:
        raise InputError(f"k-NN needs a temperature above 0, not {temperature:g}")
    if int(labels.min()) < 0:
        raise InputError("k-NN needs a label for every training image; some have none")
    if num_classes is not None and int(labels.max()) >= num_classes:
        raise InputError(f"k-NN was told of {num_classes} classes, but a training label is {int(labels.max())}")


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """k-NN accuracy on the validation split, every k, temperature, feature and draw of the settings.

    Metric names: `top1` and `top5` are at `main_k` with the first temperature and feature; other ks get `_k10`, other
    temperatures `_T0.1`, other features `_cls.2`.
    """
    settings = context.settings
    everything = "+".join(settings.features)
    train = labeled_features(context, "train", everything)
    test = train if settings.leave_one_out else labeled_features(context, "val", everything)
    require_same_classes(train, test)
    scores = Scores({}, images={"train": len(train.labels), "val": len(test.labels)})
    scores.warnings += [line for line in dict.fromkeys((train.skipped, test.skipped)) if line]
    scores.not_comparable += scores.warnings
    for feature in settings.features:
        draws = [_predict(context, train, test, feature, draw) for draw in range(settings.draws)]
        _add_scores(scores, draws, test.labels, feature, settings)
        if settings.predictions and feature == settings.features[0]:
            best = draws[0][settings.temperatures[0]].top[settings.main_k]
            save_predictions(scores, context.output / "predictions.csv", test.names, test.labels, best, test.classes)
    return scores


def _predict(
    context: EvaluationContext[Settings], train: LabeledFeatures, test: LabeledFeatures, feature: str, draw: int
) -> dict[float, KnnPredictions]:
    """Predictions by temperature, from one search."""
    settings = context.settings
    bank, labels = _bank(context, train, feature, draw)
    itself = int(settings.leave_one_out)
    _check(len(bank) - itself, labels, settings.ks, min(settings.temperatures), None)
    with context.clock.phase("search"):
        queries = test.matrix.only(feature).tensor()
        found = search(queries, bank, max(settings.ks) + itself, settings.search, context.device)
        if itself:
            found = found.without(torch.arange(len(queries)))
    return {value: vote(found, labels, settings.ks, value) for value in settings.temperatures}


def _bank(
    context: EvaluationContext[Settings], train: LabeledFeatures, feature: str, draw: int
) -> tuple[FeatureMatrix | RowsInMemory, Tensor]:
    settings = context.settings
    rows = chosen_rows(train.labels.numpy(), train.names, settings, context.seed + draw)
    matrix = train.matrix.only(feature)
    if rows is None:
        return matrix, train.labels
    return RowsInMemory(matrix.take(rows)), train.labels[torch.from_numpy(rows)]


def _add_scores(
    scores: Scores, draws: list[dict[float, KnnPredictions]], labels: Tensor, feature: str, settings: Settings
) -> None:
    others = "" if feature == settings.features[0] else f"_{feature}"
    for temperature in settings.temperatures:
        at = others if temperature == settings.temperatures[0] else f"{others}_T{temperature:g}"
        for k in dict.fromkeys([settings.main_k, *settings.ks]):
            ranked = [draw[temperature].top[k] for draw in draws]
            suffix = at if k == settings.main_k else f"{at}_k{k}"
            add_accuracy(scores, f"top1{suffix}", ranked, labels)
            add_accuracy(scores, f"top5{suffix}", ranked, labels, TOP)
