"""Weighted k-nearest-neighbour classification of frozen features (paper, appendix F.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dinobench.metrics.classification import accuracy
from dinobench.metrics.neighbours import Neighbours, nearest
from dinobench.runtime.errors import InputError

BANK_ROWS = 32768  # bank rows per block
TOP = 5

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
    block: int = 1024,
    device: torch.device | str | None = None,
) -> KnnPredictions:
    """Classify by the k nearest training features, each voting exp(cosine / temperature); every k from one search.

    Args:
        train_features: (N, D), l2-normalised; a memory-mapped array is read block by block.
        train_labels: (N,) classes from 0.
        test_features: (M, D), l2-normalised.
        ks: neighbours to count, each at most N.
        temperature: of the votes.
        num_classes: classes there are, by default the largest training label plus one.
        block: test images per matrix product, which bounds the memory.
        device: where to compute, by default the test features' device.

    Raises:
        InputError: a k above N, or labels that do not fit the features.
    """
    labels = torch.as_tensor(train_labels)
    _check(len(train_features), labels, ks, num_classes)
    queries = torch.as_tensor(test_features).to(device)
    found = nearest(queries, blocks_of(train_features), max(ks), block)
    return vote(found, labels, ks, temperature, num_classes)


def blocks_of(features: Array, rows: int = BANK_ROWS) -> Iterator[Tensor]:
    """Consecutive rows of an array as tensors, for `nearest`."""
    for start in range(0, len(features), rows):
        part = features[start : start + rows]
        yield part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))  # a map may not be writable


def vote(
    found: Neighbours, labels: Tensor, ks: Iterable[int], temperature: float, num_classes: int | None = None
) -> KnnPredictions:
    """Turn neighbours (M, >= max(ks)) into predictions; `labels` (N,) are those of the bank."""
    classes = num_classes or int(labels.max()) + 1
    labels = labels.to(found.indices.device)
    rows = max(1, 2**25 // classes)
    pieces = [
        _vote(similarities, labels[indices], sorted(set(ks)), temperature, classes)
        for similarities, indices in zip(
            torch.split(found.similarities, rows), torch.split(found.indices, rows), strict=True
        )
    ]
    return KnnPredictions({k: torch.cat([piece[k] for piece in pieces]) for k in sorted(set(ks))})


def _vote(similarities: Tensor, labels: Tensor, ks: list[int], temperature: float, classes: int) -> dict[int, Tensor]:
    # Relative to the nearest neighbour, so that no temperature overflows; the floor keeps a vote a vote.
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


def _check(train_images: int, labels: Tensor, ks: Sequence[int], num_classes: int | None) -> None:
    if len(labels) != train_images:
        raise InputError(f"{len(labels)} labels for {train_images} training features; give one per feature")
    if not ks or min(ks) < 1 or max(ks) > train_images:
        raise InputError(
            f"k-NN with k = {', '.join(map(str, ks)) or 'nothing'} needs 1 <= k <= {train_images}, "
            f"the number of training images; use --set ks=[...] with smaller numbers"
        )
    if int(labels.min()) < 0:
        raise InputError("k-NN needs a label for every training image; some have none")
    if num_classes is not None and int(labels.max()) >= num_classes:
        raise InputError(f"k-NN was told of {num_classes} classes, but a training label is {int(labels.max())}")
