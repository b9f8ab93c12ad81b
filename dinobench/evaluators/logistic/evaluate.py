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
from dinobench.metrics.logistic import LogisticFit
from dinobench.runtime.errors import InputError

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
    queries = _prepared(test.matrix.tensor(), settings).to(context.device)
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
    rows, labels = _prepared(features, settings).to(context.device), labels.to(context.device)
    with context.clock.phase("logistic regression"):
        penalty = _best_penalty(context, rows, labels, len(train.classes), draw, scores) if settings.cs else None
        fit = _fit(settings, rows, labels, len(train.classes), penalty or settings.penalty)
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
        how_far = "with a gradient of {:.2g}" if settings.intercept else "at most {:.2g} above the optimum"
        scores.warnings.append(
            f"logistic regression stopped after {fit.iterations} iterations, {how_far.format(fit.gap)} where "
            f"{settings.tolerance:g} was asked; raise max_iterations"
        )
    return top_classes(queries @ fit.weight.T, TOP).cpu()


def _prepared(features: Tensor, settings: Settings) -> Tensor:
    """Rows (N, D) as the settings say, with a column of ones at the end where classes have an intercept."""
    rows = features - features.mean(1, keepdim=True) if settings.center else features
    rows = F.normalize(rows, dim=1) if settings.unit_length else rows
    return F.pad(rows, (0, 1), value=1.0) if settings.intercept else rows


def _fit(settings: Settings, rows: Tensor, labels: Tensor, classes: int, penalty: float) -> LogisticFit:
    return shared_fit(
        rows,
        labels,
        classes,
        penalty=penalty,
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
        free=int(settings.intercept),
    )


def _best_penalty(
    context: EvaluationContext[Settings], rows: Tensor, labels: Tensor, classes: int, draw: int, scores: Scores
) -> float:
    """1 / C of the C with the best accuracy on held-out images, the first of several; what each gave is kept.

    Raises:
        InputError: too few images to hold any out.
    """
    settings = context.settings
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(context.seed + draw))
    held = int(settings.held_out * len(rows))
    if not 0 < held < len(rows):
        raise InputError(f"{len(rows)} training images cannot be held out by {settings.held_out:g}; give one C alone")
    asked, kept = (part.to(rows.device) for part in (order[:held], order[held:]))
    found = []
    for c in settings.cs:
        fit = _fit(settings, rows[kept], labels[kept], classes, 1 / c)
        right = (rows[asked] @ fit.weight.T).argmax(1) == labels[asked]
        found.append({"C": c, "top1": 100 * float(right.double().mean()), "converged": fit.converged})
    best = max(found, key=lambda each: each["top1"])
    scores.details.setdefault("held_out", []).append(found)
    scores.details.setdefault("chosen_C", []).append(best["C"])
    return 1 / float(best["C"])


def _training_set(context: EvaluationContext[Settings], train: LabeledFeatures, draw: int) -> tuple[Tensor, Tensor]:
    settings = context.settings
    rows = chosen_rows(train.labels.numpy(), train.names, settings, context.seed + draw)
    if rows is None:
        return train.matrix.tensor(), train.labels
    return train.matrix.take(rows), train.labels[torch.from_numpy(rows)]
