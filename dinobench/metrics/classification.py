"""Accuracy of ranked class predictions."""

from __future__ import annotations

import torch
from torch import Tensor


def hits(predictions: Tensor, labels: Tensor, top: int = 1) -> Tensor:
    """Whether each image's label is among its first `top` predictions.

    Args:
        predictions: (M, P) classes, best first; -1 where there is none.
        labels: (M,) true classes.
        top: how many predictions count, at most P are there.

    Returns:
        (M,) bool on the CPU.
    """
    return (predictions[:, :top] == labels.to(predictions.device)[:, None]).any(1).cpu()


def accuracy(predictions: Tensor, labels: Tensor, top: int = 1) -> float:
    """Percentage of images whose label is among the first `top` predictions; shapes as in `hits`."""
    return 100.0 * hits(predictions, labels, top).double().mean().item()


def top_classes(scores: Tensor, top: int = 5) -> Tensor:
    """The `top` classes of each row of `scores` (M, C), best first: (M, min(top, C))."""
    return scores.topk(min(top, scores.shape[1])).indices


def mean_per_class(correct: Tensor, labels: Tensor) -> float:
    """Percentage right within each class, averaged over the classes present; both arguments (M,)."""
    classes, of = torch.unique(labels, return_inverse=True)
    right = torch.zeros(len(classes), dtype=torch.float64).index_add_(0, of, correct.double())
    return 100.0 * (right / torch.bincount(of)).mean().item()
