"""Multinomial logistic regression, l2-regularized (paper, Tables 10 and 12)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from dinobench.metrics.classification import accuracy, top_classes
from dinobench.metrics.knn import TOP, Array
from dinobench.metrics.rows import tensor_of, unit_rows

ROWS = 16384  # images per block of scores

RowBlocks = Sequence[tuple[Tensor, Tensor]]
"""Blocks of rows (b, D) with their labels (b,), on the device to compute on; each may be read when it is asked for."""

BlockTerms = Callable[[Tensor], Iterable[tuple[float, Tensor]]]
"""From a weight (C, D) to the term of every block of rows, in the order of the rows."""


@dataclass(frozen=True)
class LogisticFit:
    """A trained classifier and how far it is from the optimum.

    Attributes:
        weight: (C, D) float32.
        objective: mean cross-entropy plus penalty / 2 times the squared weights.
        gap: upper bound of the objective's distance from its minimum; with free columns the gradient's largest entry.
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

    def __init__(
        self, like: Tensor, images: int, classes: int, penalty: float, terms: BlockTerms, free: int = 0
    ) -> None:
        self.like, self.images, self.penalty, self.terms, self.free = like, images, penalty, terms, free
        self.shape = (classes, like.shape[1])
        self.value, self.gap = float("inf"), float("inf")

    def __call__(self, flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight = torch.from_numpy(flat).view(self.shape)
        loss, gradient = self._data_term(weight.to(self.like))
        penalized = slice(0, self.shape[1] - self.free)
        gradient[:, penalized] += self.penalty * weight[:, penalized]
        self.value = loss + self.penalty / 2 * float(weight[:, penalized].square().sum())
        # Where nothing is free, the objective is `penalty`-strongly convex: its minimum is at most this far below.
        bound = float(gradient.square().sum()) / (2 * self.penalty)
        self.gap = float(gradient.abs().max()) if self.free else bound
        return self.value, gradient.flatten().numpy()

    def _data_term(self, weight: Tensor) -> tuple[float, Tensor]:
        loss, gradient = 0.0, torch.zeros(self.shape, dtype=torch.float64)
        for likelihood, part in self.terms(weight):
            loss -= likelihood
            gradient += part.cpu().double()
        return loss / self.images, gradient / self.images


def row_blocks(features: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Blocks of rows (b, D) with their labels (b,), in order."""
    return list(zip(torch.split(features, ROWS), torch.split(labels, ROWS), strict=True))


def block_term(weight: Tensor, rows: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Log-likelihood of a block of rows (b, D) with labels (b,), and the gradient (C, D) of its negative."""
    log_p = F.log_softmax(rows @ weight.T, 1)
    likelihood = float(log_p.gather(1, labels[:, None]).cpu().sum(dtype=torch.float64))  # which Apple's GPUs lack
    residual = log_p.exp_()
    residual.scatter_add_(1, labels[:, None], torch.full_like(labels, -1, dtype=rows.dtype)[:, None])
    return likelihood, residual.T @ rows


def fit_logistic(features: Tensor, labels: Tensor, classes: int, **how: Any) -> LogisticFit:
    """`fit_blocks` of rows in memory, features (n, D) and labels (n,) on the device to compute on; `how` goes to it."""
    return fit_blocks(row_blocks(features, labels), classes, **how)


def fit_blocks(
    blocks: RowBlocks,
    classes: int,
    *,
    penalty: float = 0.1,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
    free: int = 0,
    rows: int | None = None,
    terms: BlockTerms | None = None,
) -> LogisticFit:
    """Minimize mean cross-entropy + penalty / (2 n) |W|^2 by L-BFGS (scipy), scores computed by torch in blocks.

    Args:
        blocks: of the n rows, with labels below `classes`; all are asked for in every iteration.
        classes: C.
        penalty: times 1 / n is the weight of the l2 term; 0.1 in the paper (dino#121), scikit-learn's C = 10.
        tolerance: stop when the objective is at most this far above its minimum. The objective is strongly convex, so
            that the squared norm of its gradient bounds the distance. At 1e-5 accuracies were those of the minimum
            wherever they were compared; at 1e-3 up to five images in a thousand differed.
        max_iterations: stop anyway.
        free: how many of the last columns have no penalty, such as a column of ones, whose weight is the intercept.
            The tolerance is then that of the gradient's largest entry.
        rows: n, where the caller knows it: blocks are then not asked for to count them.
        terms: computes `block_term` of all blocks, by default one after the other.
    """

    def one_by_one(weight: Tensor) -> Iterator[tuple[float, Tensor]]:
        return (block_term(weight, *blocks[number]) for number in range(len(blocks)))

    count = rows or sum(len(blocks[number][1]) for number in range(len(blocks)))
    like = blocks[0][0].new_empty(0, blocks[0][0].shape[1])
    objective = _Objective(like, count, classes, penalty / count, terms or one_by_one, free)

    def stop_when_near(intermediate_result: object) -> None:
        if objective.gap <= tolerance:
            raise StopIteration

    result = minimize(
        objective,
        np.zeros(classes * like.shape[1]),
        jac=True,
        method="L-BFGS-B",
        callback=stop_when_near,
        options={"maxiter": max_iterations, "maxfun": 2 * max_iterations, "gtol": 0.0, "ftol": 0.0, "maxcor": 20},
    )
    value, _ = objective(result.x)
    weight = torch.from_numpy(result.x).view(classes, -1).to(like)
    return LogisticFit(weight, value, objective.gap, int(result.nit), objective.gap <= tolerance)


@dataclass(frozen=True)
class LogisticPredictions:
    """Ranked classes of every test image, and the classifier that ranked them.

    Attributes:
        top: (M, 5) int64, best first; fewer columns where there are fewer classes.
        fit: weights, and how near to the optimum they are.
    """

    top: Tensor
    fit: LogisticFit

    @property
    def predicted(self) -> Tensor:
        """(M,) the likeliest class."""
        return self.top[:, 0]

    def accuracy(self, labels: Array, top: int = 1) -> float:
        """Percentage of the test images whose label is among the `top` best classes; labels (M,)."""
        return accuracy(self.top, tensor_of(labels), top)


def logistic_classify(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    *,
    penalty: float = 0.1,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
    num_classes: int | None = None,
    device: torch.device | str | None = None,
) -> LogisticPredictions:
    """Classify by logistic regression on l2-normalized features.

    Args:
        train_features: (N, D), normalized here.
        train_labels: (N,) classes from 0.
        test_features: (M, D), normalized here.
        penalty: see `fit_logistic`; likewise the two behind it.
        tolerance: see above.
        max_iterations: see above.
        num_classes: number of classes, by default the largest training label plus one.
        device: where to compute, by default the training features' device.

    Raises:
        ValueError: labels that do not fit the features.
    """
    rows, labels = tensor_of(train_features).to(device), tensor_of(train_labels).long()
    if len(labels) != len(rows) or not len(rows):
        raise ValueError(f"{len(labels)} labels for {len(rows)} training features; give one per feature")
    classes = num_classes or int(labels.max()) + 1
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"labels are {int(labels.min())} to {int(labels.max())}; they must lie in 0 to {classes - 1}")
    fit = fit_logistic(
        unit_rows(rows),
        labels.to(rows.device),
        classes,
        penalty=penalty,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    queries = unit_rows(tensor_of(test_features).to(fit.weight))
    return LogisticPredictions(top_classes(queries @ fit.weight.T, TOP).cpu(), fit)
