"""Weighted k-nearest-neighbor classification of frozen features (paper, appendix F.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dinobench.metrics.classification import accuracy
from dinobench.metrics.rows import tensor_of, unit_rows
from dinobench.metrics.search.nearest import QUERY_ROWS, nearest
from dinobench.metrics.search.neighbors import Neighbors

TOP = 5
BANK_ROWS = 65536  # rows of a bank per block
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
        return accuracy(self.top[k], tensor_of(labels), top)


def knn_classify(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    *,
    ks: Sequence[int] = (10, 20, 100, 200),
    temperature: float = 0.07,
    num_classes: int | None = None,
    engine: str = "auto",
    block: int = QUERY_ROWS,
    device: torch.device | str | None = None,
) -> KnnPredictions:
    """Classify by the k nearest training features, each voting exp(cosine / temperature); every k from one search.

    Args:
        train_features: (N, D), normalized here where they are not; a memory-mapped array is read block by block.
        train_labels: (N,) classes from 0.
        test_features: (M, D), normalized likewise.
        ks: neighbors to count, each at most N.
        temperature: of the votes.
        num_classes: number of classes, by default the largest training label plus one.
        engine: of the search, see `dinobench.metrics.search.nearest`; the answer does not depend on it.
        block: test images per table of products, which bounds the memory.
        device: where to compute, by default the test features' device.

    Raises:
        ValueError: a k above N, or labels that do not fit the features.
    """
    labels = tensor_of(train_labels)
    if len(labels) != len(train_features):
        raise ValueError(f"{len(labels)} labels for {len(train_features)} training features; give one per feature")
    check_knn(len(train_features), labels, ks, temperature, num_classes)
    queries = unit_rows(tensor_of(test_features).to(device))
    bank = (unit_rows(rows) for rows in blocks_of(train_features))
    found = nearest(queries, bank, max(ks), engine=engine, query_block=block)
    return vote(found, labels, ks, temperature, num_classes)


def check_knn(
    available: int, labels: Tensor, ks: Sequence[int], temperature: float, num_classes: int | None = None
) -> None:
    """Refuse what cannot be classified.

    Args:
        available: training images.
        labels: theirs (N,).
        ks: neighbors to count.
        temperature: of the votes.
        num_classes: number of classes, None for what the labels say.

    Raises:
        ValueError: a k above `available`, a temperature of 0 or less, a label below 0 or beyond `num_classes`.
    """
    if not ks or min(ks) < 1 or max(ks) > available:
        raise ValueError(
            f"k-NN with k = {', '.join(map(str, ks)) or 'nothing'} needs 1 <= k <= {available}, "
            f"the number of training images; use --set ks=[...] with smaller numbers"
        )
    if temperature <= 0:
        raise ValueError(f"k-NN needs a temperature above 0, not {temperature:g}")
    if int(labels.min()) < 0:
        raise ValueError("k-NN needs a label for every training image; some have none")
    if num_classes is not None and int(labels.max()) >= num_classes:
        raise ValueError(f"k-NN expects {num_classes} classes, but a training label is {int(labels.max())}")


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
        _count_votes(similarities, labels[indices], sorted(set(ks)), temperature, classes)
        for similarities, indices in zip(
            torch.split(found.similarities, rows), torch.split(found.indices, rows), strict=True
        )
    ]
    return KnnPredictions({k: torch.cat([piece[k] for piece in pieces]) for k in sorted(set(ks))})


def vote_weights(similarities: Tensor, temperature: float) -> Tensor:
    """(M, k) votes of neighbors, nearest first: exp(cosine / temperature) relative to the nearest's.

    So no temperature overflows; a floor keeps a vote above 0.
    """
    weights = ((similarities - similarities[:, :1]) / temperature).exp()
    return weights.clamp_min(torch.finfo(weights.dtype).tiny)


def _count_votes(
    similarities: Tensor, labels: Tensor, ks: list[int], temperature: float, classes: int
) -> dict[int, Tensor]:
    weights = vote_weights(similarities, temperature)
    votes = weights.new_zeros(len(weights), classes)
    ranked, counted = {}, 0
    for k in ks:
        votes.scatter_add_(1, labels[:, counted:k], weights[:, counted:k])
        counted = k
        best, order = votes.topk(min(TOP, classes))
        ranked[k] = order.masked_fill(best == 0, -1)
    return ranked
