"""Heads that are fitted to patches: logistic regression, and votes of the nearest patches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from dinobench.evaluators.logistic.sharing import shared_block_fit
from dinobench.evaluators.segmentation.patches import HeldBlocks, PatchRows, spans
from dinobench.evaluators.segmentation.settings import PatchHeadSettings
from dinobench.metrics.class_areas import VOID
from dinobench.metrics.logistic import ROWS as FIT_ROWS
from dinobench.metrics.search.nearest import nearest

_ROWS = 65536  # patches of the memory that are searched at once
_QUERY_BYTES = 2**27  # of the patches that are looked for in one pass over the memory


class PatchHead(Protocol):
    """From patches to scores of classes."""

    def __call__(self, images: Iterable[Tensor]) -> Iterator[Tensor]:
        """For the patches (n, D) of each image scores (n, C), or (n, C, P) of each patch's pixels."""


class LogisticHead:
    """Linear scores of standardized patches.

    Args:
        weight: (C, D) and
        bias: (C,), of features that are not standardized.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, images: Iterable[Tensor]) -> Iterator[Tensor]:
        """(n, C) of each image."""
        for patches in images:
            yield patches @ self.weight.T.to(patches) + self.bias.to(patches)


class StandardRows:
    """The patches whose class is known, as a logistic regression wants them: standardized, with a column of ones.

    Args:
        rows: patches, void ones among them.
        settings: whether they are standardized, and how much of them stays in memory.
        device: where the fit is computed.
    """

    def __init__(self, rows: PatchRows, settings: PatchHeadSettings, device: torch.device) -> None:
        self.rows, self.device = rows.known(), device
        self.parts = spans(len(self.rows), FIT_ROWS)
        nothing = torch.zeros_like(self._features(slice(0, 1))[0])
        self.mean, self.scale = self._moments() if settings.standardize else (nothing, nothing + 1)
        self.blocks = HeldBlocks(self._block, len(self.parts), _bytes_of, settings.held_bytes)

    def _features(self, part: slice) -> Tensor:
        return self.rows.features(part.start, part.stop).to(self.device)

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each feature; 1 where it does not vary."""
        count = len(self.rows)
        mean = sum(self._features(part).double().sum(0) for part in self.parts) / count
        squares = sum((self._features(part).double() - mean).square().sum(0) for part in self.parts)
        deviation = torch.as_tensor(squares / count).sqrt().float()
        return torch.as_tensor(mean).float(), torch.where(deviation > 0, deviation, torch.ones_like(deviation))

    def _block(self, number: int) -> tuple[Tensor, Tensor]:
        part = self.parts[number]
        features = (self._features(part) - self.mean) / self.scale
        labels = self.rows.main_labels(part.start, part.stop).to(self.device)
        return torch.cat([features, torch.ones_like(features[:, :1])], 1), labels


def _bytes_of(block: tuple[Tensor, Tensor]) -> int:
    return sum(each.nbytes for each in block)


def fit_logistic_head(
    standard: StandardRows, classes: int, c: float, settings: PatchHeadSettings
) -> tuple[LogisticHead, str]:
    """L2-penalized multinomial regression of each patch's main class, with an intercept that has no penalty.

    Returns:
        The head, and a line where the fit stopped before its optimum.
    """
    fit = shared_block_fit(
        standard.blocks,
        classes,
        penalty=1 / c,
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
        free=1,
        rows=len(standard.rows),
    )
    weight = fit.weight[:, :-1] / standard.scale
    line = (
        f"logistic regression with C = {c:g} stopped after {fit.iterations} iterations, where the largest entry of "
        f"the gradient is {fit.gap:.2g} and {settings.tolerance:g} was asked; raise max_iterations"
    )
    return LogisticHead(weight, fit.weight[:, -1] - weight @ standard.mean), "" if fit.converged else line


class NearestHead:
    """Votes of the nearest patches of a memory, read from disk as far as it does not stay; the search is exact.

    Args:
        rows: the memory.
        classes: C.
        k: patches that vote.
        distance: "cosine" or "euclidean".
        settings: how they vote, the search's engine, and how much of the memory stays.
        device: where to compute.
    """

    def __init__(
        self, rows: PatchRows, classes: int, k: int, distance: str, settings: PatchHeadSettings, device: torch.device
    ) -> None:
        self.settings, self.classes, self.k = settings, classes, min(k, len(rows))
        self.cosine, self.device, self.rows = distance == "cosine", device, rows
        self.parts = spans(len(rows), _ROWS)
        self.bank = HeldBlocks(self._block, len(self.parts), lambda block: block.nbytes, settings.held_bytes)

    def _block(self, number: int) -> Tensor:
        part = self.parts[number]
        features = self.rows.features(part.start, part.stop).to(self.device)
        return normalize(features, dim=1) if self.cosine else _lifted(features)

    def __call__(self, images: Iterable[Tensor]) -> Iterator[Tensor]:
        """(n, C) shares of classes by soft votes, or (n, C, P) counts of votes of each pixel, for each image.

        Images are looked for together, so that a memory on disk is read once for many of them.
        """
        waiting: list[Tensor] = []
        for patches in images:
            waiting.append(patches)
            if sum(each.nbytes for each in waiting) >= _QUERY_BYTES:
                yield from self._votes_of(waiting)
                waiting = []
        if waiting:
            yield from self._votes_of(waiting)

    def _votes_of(self, images: list[Tensor]) -> Iterator[Tensor]:
        patches = torch.cat(images)
        queries = normalize(patches, dim=1) if self.cosine else pad(patches, (0, 1), value=1.0)
        found = nearest(queries, self.bank, self.k, engine=self.settings.search)
        lengths = [len(each) for each in images]
        parts = (torch.split(values, lengths) for values in (found.similarities, found.indices))
        for similarities, indices in zip(*parts, strict=True):
            yield self.vote(similarities, indices, self.k)

    def vote(self, similarities: Tensor, indices: Tensor, k: int) -> Tensor:
        """The votes of the first `k` of the neighbors found, (n, K) each."""
        labels = self.rows.labels(indices[:, :k].cpu().numpy()).to(similarities.device)
        if self.settings.void_is_first:
            labels = torch.where(labels == VOID, 0, labels)
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
