"""Multinomial logistic regression on frozen features, with few labels or all (paper, Tables 10 and 12)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.accuracies import add_accuracy, add_class_mean, save_predictions
from dinobench.evaluators.common.labeled_features import LabeledFeatures, labeled_features, require_same_classes
from dinobench.evaluators.common.low_shot import chosen_rows, note_list
from dinobench.evaluators.logistic.settings import Settings
from dinobench.evaluators.logistic.sharing import shared_fit
from dinobench.metrics.classification import top_classes

TOP = 5


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Top-1 and top-5 on the validation split of a classifier trained on all or part of the training split."""
    settings = context.settings
    note_list(context)
    train = labeled_features(context, "train", settings.feature)
    test = labeled_features(context, "val", settings.feature, tested=True)
    require_same_classes(train, test)
    scores = Scores({}, images={"train": len(train.labels), "val": len(test.labels)})
    scores.warnings += [line for line in (train.skipped, test.skipped) if line]
    scores.not_comparable += scores.warnings
    queries = _unit_rows(test.matrix.tensor(), settings.center).to(context.device)
    draws = [_predict_labels(context, train, queries, draw, scores) for draw in range(settings.draws)]
    for top in (1, TOP):
        add_accuracy(scores, f"top{top}", draws, test.labels, top)
    add_class_mean(scores, draws, test.labels)
    if settings.predictions:
        path = context.predictions_file
        save_predictions(scores, path, test.names, test.labels, draws[0], test.classes)
    return scores


def _predict_labels(
    context: EvaluationContext[Settings], train: LabeledFeatures, queries: Tensor, draw: int, scores: Scores
) -> Tensor:
    """(M, 5) ranked classes by the classifier of one draw; its convergence goes into the details."""
    settings = context.settings
    features, labels = _training_set(context, train, draw)
    with context.clock.phase("logistic regression"):
        fit = shared_fit(
            _unit_rows(features, settings.center).to(context.device),
            labels.to(context.device),
            len(train.classes),
            penalty=settings.penalty,
            tolerance=settings.tolerance,
            max_iterations=settings.max_iterations,
        )
    scores.details.setdefault("fits", []).append(
        {
            "images": len(labels),
            "iterations": fit.iterations,
            "objective": fit.objective,
            "gap": fit.gap,
            "converged": fit.converged,
        }
    )
    if not fit.converged:
        scores.warnings.append(
            f"logistic regression stopped after {fit.iterations} iterations, at most {fit.gap:.2g} above the optimum "
            f"where {settings.tolerance:g} was asked; raise max_iterations"
        )
    return top_classes(queries @ fit.weight.T, TOP).cpu()


def _unit_rows(features: Tensor, center: bool) -> Tensor:
    """Rows (N, D) of length 1, each without its own mean where `center` says so."""
    return F.normalize(features - features.mean(1, keepdim=True) if center else features, dim=1)


def _training_set(context: EvaluationContext[Settings], train: LabeledFeatures, draw: int) -> tuple[Tensor, Tensor]:
    settings = context.settings
    rows = chosen_rows(train.labels.numpy(), train.names, settings, context.seed + draw)
    if rows is None:
        return train.matrix.tensor(), train.labels
    return train.matrix.take(rows), train.labels[torch.from_numpy(rows)]
