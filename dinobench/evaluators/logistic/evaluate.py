"""Multinomial logistic regression on frozen features, with few labels or all (paper, Tables 10 and 12)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.accuracies import add_accuracy, save_predictions
from dinobench.evaluators.common.labeled_features import LabeledFeatures, labeled_features, require_same_classes
from dinobench.evaluators.common.low_shot import chosen_rows
from dinobench.evaluators.logistic.settings import Settings
from dinobench.metrics.classification import top_classes

_ROWS = 16384  # images per block of scores
TOP = 5


@dataclass(frozen=True)
class LogisticFit:
    """A trained classifier and how far it is from the optimum.

    Attributes:
        weight: (C, D) float32, no intercept.
        objective: mean cross-entropy plus penalty / 2 times the squared weights.
        gap: upper bound of the objective's distance from its minimum.
        iterations: of L-BFGS.
        converged: whether the gap came under the tolerance.
    """

    weight: Tensor
    objective: float
    gap: float
    iterations: int
    converged: bool


class _Objective:
    """Objective and gradient over blocks of rows, remembering the last for the stopping rule."""

    def __init__(self, features: Tensor, labels: Tensor, classes: int, penalty: float) -> None:
        self.features, self.labels, self.penalty = features, labels, penalty
        self.shape = (classes, features.shape[1])
        self.value, self.gap = float("inf"), float("inf")

    def __call__(self, flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight = torch.from_numpy(flat).view(self.shape)
        loss, gradient = self._data_term(weight.to(self.features))
        gradient += self.penalty * weight
        self.value = loss + self.penalty / 2 * float(weight.square().sum())
        # The objective is `penalty`-strongly convex, so its minimum is at most this far below.
        self.gap = float(gradient.square().sum()) / (2 * self.penalty)
        return self.value, gradient.flatten().numpy()

    def _data_term(self, weight: Tensor) -> tuple[float, Tensor]:
        loss, gradient = 0.0, torch.zeros(self.shape, dtype=torch.float64)
        for rows, labels in zip(torch.split(self.features, _ROWS), torch.split(self.labels, _ROWS), strict=True):
            log_p = F.log_softmax(rows @ weight.T, 1)
            loss -= float(log_p.gather(1, labels[:, None]).cpu().sum(dtype=torch.float64))  # which Apple's GPUs lack
            residual = log_p.exp_()
            residual.scatter_add_(1, labels[:, None], torch.full_like(labels, -1, dtype=rows.dtype)[:, None])
            gradient += (residual.T @ rows).cpu().double()
        return loss / len(self.labels), gradient / len(self.labels)


def fit_logistic(
    features: Tensor,
    labels: Tensor,
    classes: int,
    *,
    penalty: float = 0.1,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> LogisticFit:
    """Minimize mean cross-entropy + penalty / (2 n) |W|^2 by L-BFGS (scipy), scores computed by torch in blocks.

    Args:
        features: (n, D), l2-normalized, on the device to compute on.
        labels: (n,) classes below `classes`, on the same device.
        classes: C.
        penalty: times 1 / n is the weight of the l2 term; 0.1 in the paper (dino#121), scikit-learn's C = 10.
        tolerance: stop when the objective is at most this far above its minimum. The objective is strongly convex, so
            that the squared norm of its gradient bounds the distance. At 1e-5 accuracies were those of the minimum
            wherever they were compared; at 1e-3 up to five images in a thousand differed.
        max_iterations: stop anyway.
    """
    objective = _Objective(features, labels, classes, penalty / len(labels))

    def stop_when_near(intermediate_result: object) -> None:
        if objective.gap <= tolerance:
            raise StopIteration

    result = minimize(
        objective,
        np.zeros(classes * features.shape[1]),
        jac=True,
        method="L-BFGS-B",
        callback=stop_when_near,
        options={"maxiter": max_iterations, "maxfun": 2 * max_iterations, "gtol": 0.0, "ftol": 0.0, "maxcor": 20},
    )
    value, _ = objective(result.x)
    weight = torch.from_numpy(result.x).view(classes, -1).to(features)
    return LogisticFit(weight, value, objective.gap, int(result.nit), objective.gap <= tolerance)


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Top-1 and top-5 on the validation split of a classifier trained on all or part of the training split."""
    settings = context.settings
    train = labeled_features(context, "train", settings.feature)
    test = labeled_features(context, "val", settings.feature)
    require_same_classes(train, test)
    scores = Scores({}, images={"train": len(train.labels), "val": len(test.labels)})
    scores.warnings += [line for line in (train.skipped, test.skipped) if line]
    scores.not_comparable += scores.warnings
    queries = F.normalize(test.matrix.tensor(), dim=1).to(context.device)
    draws = [_predict_labels(context, train, queries, draw, scores) for draw in range(settings.draws)]
    for top in (1, TOP):
        add_accuracy(scores, f"top{top}", draws, test.labels, top)
    if settings.predictions:
        path = context.output / "predictions.csv"
        save_predictions(scores, path, test.names, test.labels, draws[0], test.classes)
    return scores


def _predict_labels(
    context: EvaluationContext[Settings], train: LabeledFeatures, queries: Tensor, draw: int, scores: Scores
) -> Tensor:
    """(M, 5) ranked classes by the classifier of one draw; its convergence goes into the details."""
    settings = context.settings
    features, labels = _training_set(context, train, draw)
    with context.clock.phase("logistic regression"):
        fit = fit_logistic(
            F.normalize(features, dim=1).to(context.device),
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


def _training_set(context: EvaluationContext[Settings], train: LabeledFeatures, draw: int) -> tuple[Tensor, Tensor]:
    settings = context.settings
    rows = chosen_rows(train.labels.numpy(), train.names, settings, context.seed + draw)
    if rows is None:
        return train.matrix.tensor(), train.labels
    return train.matrix.take(rows), train.labels[torch.from_numpy(rows)]
