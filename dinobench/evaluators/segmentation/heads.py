"""Heads that are fitted to patches: logistic regression, and votes of the nearest patches."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from dinobench.evaluators.segmentation.patches import PatchRows
from dinobench.evaluators.segmentation.settings import PatchHeadSettings
from dinobench.metrics.class_areas import VOID
from dinobench.metrics.logistic import fit_logistic
from dinobench.metrics.search.nearest import nearest

_ROWS = 65536  # patches of the memory that are searched at once


class PatchHead(Protocol):
    """From patches to scores of classes."""

    def __call__(self, patches: Tensor) -> Tensor:
        """(n, C) scores of patches (n, D), or (n, C, P) of each patch's pixels."""


class LogisticHead:
    """Linear scores of standardized patches.

    Args:
        weight: (C, D) and
        bias: (C,), of features that are not standardized.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, patches: Tensor) -> Tensor:
        """(n, C)."""
        return patches @ self.weight.T.to(patches) + self.bias.to(patches)


def fit_logistic_head(
    rows: PatchRows, classes: int, c: float, settings: PatchHeadSettings, device: torch.device
) -> tuple[LogisticHead, str]:
    """L2-penalized multinomial regression of each patch's main class, with an intercept that has no penalty.

    Returns:
        The head, and a line where the fit stopped before its optimum.
    """
    known = rows.known()
    features = known.features.to(device)
    mean, scale = _moments(features) if settings.standardize else (0 * features[0], 0 * features[0] + 1)
    standard = torch.cat([(features - mean) / scale, torch.ones_like(features[:, :1])], 1)
    labels = known.main_labels().to(device)
    fit = fit_logistic(
        standard,
        labels,
        classes,
        penalty=1 / c,
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
        free=1,
    )
    weight = fit.weight[:, :-1] / scale
    line = (
        f"logistic regression with C = {c:g} stopped after {fit.iterations} iterations, where the largest entry of "
        f"the gradient is {fit.gap:.2g} and {settings.tolerance:g} was asked; raise max_iterations"
    )
    return LogisticHead(weight, fit.weight[:, -1] - weight @ mean), "" if fit.converged else line


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature; 1 where it does not vary."""
    deviation = features.double().std(0, correction=0).to(features)
    return features.double().mean(0).to(features), torch.where(deviation > 0, deviation, torch.ones_like(deviation))


class NearestHead:
    """Votes of the nearest patches of a memory; the search is exact.

    Args:
        rows: the memory.
        classes: C.
        k: patches that vote.
        distance: "cosine" or "euclidean".
        settings: how they vote, and the search's engine.
        device: where to compute.
    """

    def __init__(
        self, rows: PatchRows, classes: int, k: int, distance: str, settings: PatchHeadSettings, device: torch.device
    ) -> None:
        self.settings, self.classes, self.k = settings, classes, min(k, len(rows.features))
        self.cosine, self.device = distance == "cosine", device
        self.bank = normalize(rows.features, dim=1) if self.cosine else _lifted(rows.features)
        self.labels = rows.labels
        if settings.void_is_first:
            self.labels = torch.where(rows.labels == VOID, 0, rows.labels)

    def __call__(self, patches: Tensor) -> Tensor:
        """(n, C) shares of classes by soft votes, or (n, C, P) counts of votes of each pixel."""
        queries = normalize(patches, dim=1) if self.cosine else pad(patches, (0, 1), value=1.0)
        found = nearest(queries, torch.split(self.bank, _ROWS), self.k, engine=self.settings.search)
        return self.vote(found.similarities, found.indices, self.k)

    def vote(self, similarities: Tensor, indices: Tensor, k: int) -> Tensor:
        """The votes of the first `k` of the neighbors found, (n, K) each."""
        labels = self.labels[indices[:, :k].cpu()].to(similarities.device)
        if self.settings.votes == "pixels":
            return _pixel_counts(labels, self.classes)
        weights = torch.softmax(similarities[:, :k] / self.settings.temperature, 1)
        shares = torch.stack([(labels == number).float().mean(2) for number in range(self.classes)], 1)
        return torch.einsum("nk,nck->nc", weights, shares)


def _lifted(features: Tensor) -> Tensor:
    """(n, D + 1): products with (query, 1) are largest where the Euclidean distance to the query is smallest."""
    return torch.cat([features, -features.square().sum(1, keepdim=True) / 2], 1)


def _pixel_counts(labels: Tensor, classes: int) -> Tensor:
    """(n, C, P) votes of labels (n, k, P); where void has the most, every class has -inf."""
    counts = labels.new_zeros(len(labels), classes + 1, labels.shape[2], dtype=torch.int16)
    for each in labels.unbind(1):
        place = torch.where(each == VOID, classes, each).long()
        counts.scatter_add_(1, place[:, None], torch.ones_like(place[:, None], dtype=torch.int16))
    void = counts[:, classes:] > counts[:, :classes].amax(1, keepdim=True)
    return counts[:, :classes].float().masked_fill_(void, -torch.inf)
