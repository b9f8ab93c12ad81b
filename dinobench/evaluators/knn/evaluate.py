"""k-NN classification of frozen features, the data and settings of a task (paper, section 4.1 and appendix F.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.accuracies import add_accuracy, add_class_mean, save_predictions
from dinobench.evaluators.common.labeled_features import (
    LabeledFeatures,
    labeled_features,
    require_same_classes,
    rows_by_name,
)
from dinobench.evaluators.common.low_shot import chosen_rows, note_list
from dinobench.evaluators.common.search import RowsInMemory, search
from dinobench.evaluators.knn.settings import Settings
from dinobench.features.matrix import FeatureMatrix
from dinobench.metrics.knn import TOP, KnnPredictions, check_knn, vote
from dinobench.runtime.errors import InputError


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """k-NN accuracy on the validation split, every k, temperature, feature and draw of the settings.

    Metric names: `top1` and `top5` are at `main_k` with the first temperature and feature; other ks get `_k10`, other
    temperatures `_T0.1`, other features `_cls.2`. A k that is larger than the training set is left out, and said.
    """
    settings = context.settings
    note_list(context)
    everything = "+".join(settings.features)
    train = labeled_features(context, "train", everything)
    test = _tested(context, train, everything)
    require_same_classes(train, test)
    scores = Scores({}, images={"train": len(train.labels), "val": len(test.labels)})
    scores.warnings += [line for line in dict.fromkeys((train.skipped, test.skipped)) if line]
    scores.not_comparable += scores.warnings
    ks = _fitting_ks(context, train, scores)
    for feature in settings.features:
        draws = [_predict_labels(context, train, test, feature, draw, ks, scores) for draw in range(settings.draws)]
        _add_scores(scores, draws, test.labels, feature, ks, settings)
        if feature == settings.features[0]:
            best = draws[0][settings.temperatures[0]].top[ks[0]]
    if settings.predictions:
        save_predictions(scores, context.predictions_file, test.names, test.labels, best, test.classes)
    return scores


def _tested(context: EvaluationContext[Settings], train: LabeledFeatures, feature: str) -> LabeledFeatures:
    if context.settings.leave_one_out:
        return labeled_features(context, "train", feature, tested=True) if context.rescoring else train
    return labeled_features(context, "val", feature, tested=True)


def _fitting_ks(context: EvaluationContext[Settings], train: LabeledFeatures, scores: Scores) -> list[int]:
    """The ks that are not larger than the training set, the figure's first; says which are left out."""
    settings = context.settings
    chosen = chosen_rows(train.labels.numpy(), train.names, settings, context.seed)
    available = len(train.labels if chosen is None else chosen) - int(settings.leave_one_out)
    wanted = list(dict.fromkeys([settings.main_k, *settings.ks]))
    fitting = [k for k in wanted if k <= available]
    if len(fitting) == len(wanted) or available < 1:
        return wanted
    if settings.main_k not in fitting:
        figure = max(fitting, default=available)
        fitting = [figure, *(k for k in fitting if k != figure)]
    left_out = ", ".join(str(k) for k in wanted if k > available)
    line = f"k = {left_out} left out: only {available} training images; the figure is at k = {fitting[0]}"
    scores.warnings.append(line)
    if fitting[0] != settings.main_k:
        scores.not_comparable.append(line)
    return fitting


def _predict_labels(
    context: EvaluationContext[Settings],
    train: LabeledFeatures,
    test: LabeledFeatures,
    feature: str,
    draw: int,
    ks: Sequence[int],
    scores: Scores,
) -> dict[float, KnnPredictions]:
    """Predictions by temperature, from one search; the engine that found the neighbors goes into the details."""
    settings = context.settings
    bank, labels = _feature_bank(context, train, feature, draw)
    itself = int(settings.leave_one_out)
    try:
        check_knn(len(bank) - itself, labels, ks, min(settings.temperatures))
    except ValueError as error:
        raise InputError(str(error)) from error
    with context.clock.phase("search"):
        queries = test.matrix.only(feature).tensor()
        found = search(queries, bank, max(ks) + itself, settings.search, context.device)
        if itself:
            found = found.without(rows_by_name(test, train))
    scores.details["search"] = found.engine
    return {value: vote(found, labels, ks, value) for value in settings.temperatures}


def _feature_bank(
    context: EvaluationContext[Settings], train: LabeledFeatures, feature: str, draw: int
) -> tuple[FeatureMatrix | RowsInMemory, Tensor]:
    settings = context.settings
    rows = chosen_rows(train.labels.numpy(), train.names, settings, context.seed + draw)
    matrix = train.matrix.only(feature)
    if rows is None:
        return matrix, train.labels
    return RowsInMemory(matrix.take(rows)), train.labels[torch.from_numpy(rows)]


def _add_scores(
    scores: Scores,
    draws: list[dict[float, KnnPredictions]],
    labels: Tensor,
    feature: str,
    ks: Sequence[int],
    settings: Settings,
) -> None:
    others = "" if feature == settings.features[0] else f"_{feature}"
    for temperature in settings.temperatures:
        at = others if temperature == settings.temperatures[0] else f"{others}_T{temperature:g}"
        for k in ks:
            ranked = [draw[temperature].top[k] for draw in draws]
            suffix = at if k == ks[0] else f"{at}_k{k}"
            add_accuracy(scores, f"top1{suffix}", ranked, labels)
            add_accuracy(scores, f"top5{suffix}", ranked, labels, TOP)
            if not suffix:
                add_class_mean(scores, ranked, labels)
