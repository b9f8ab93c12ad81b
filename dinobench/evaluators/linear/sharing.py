"""A linear probe's work shared over processes: each trains the heads of some features, and forwards some of the images.

Which images go through the network together, and in which order rows come back, is as in one process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.features.loading import in_chunks
from dinobench.features.names import Column
from dinobench.features.rows import FeatureBatch
from dinobench.runtime.processes import gather_from_processes, max_over_processes, rank, world_size


def my_features(names: Sequence[str]) -> list[str]:
    """Those of a probe's features whose heads this process trains.

    All heads of a feature stand in one matrix: cut in parts, its products would differ in the last bit.
    """
    return [name for number, name in enumerate(names) if owner_of(number) == rank()]


def owner_of(number: int) -> int:
    """The process that trains the heads of a probe's feature, by the feature's place."""
    return number % world_size()


StepFeatures = tuple[dict[Column, Tensor], NDArray[np.int64]]  # (n, D) of each column, and the n images


class SharedSteps:
    """Which chunks of a step this process forwards, and the features of the whole step from all processes.

    Chunks are those of one process alone, dealt out in turn, and rows come back in its order: the figures are equal.

    Args:
        columns: of the features.
        forward_batch: images per chunk.
        device: where tensors travel between processes.
    """

    def __init__(self, columns: tuple[Column, ...], forward_batch: int, device: torch.device) -> None:
        self.columns, self.forward_batch, self.device = columns, forward_batch, device

    def own_chunks(self, step: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The chunks of a step's images that this process forwards."""
        return self._chunks_of(step, rank())

    def gather(self, step: NDArray[np.int64], batches: list[FeatureBatch]) -> StepFeatures:
        """The features of the step's readable images, from this process's `batches` and all others'."""
        batches = [batch for batch in batches if len(batch.indices)]
        if world_size() == 1:
            return self._join_batches(batches)
        widths = max_over_processes(self._column_widths(batches)).tolist()
        places = [_join_chunks(self._chunks_of(np.arange(len(step)), number)) for number in range(world_size())]
        slots = max(map(len, places))
        images = np.full(slots, -1)
        rows = torch.zeros(slots, sum(widths), device=self.device)
        if batches:
            values, indices = self._join_batches(batches)
            filled = np.flatnonzero(np.isin(step[places[rank()]], indices))
            images[filled] = indices
            rows[torch.from_numpy(filled)] = torch.cat(list(values.values()), 1).to(self.device)
        where = _slot_of_each(places, slots)
        everyone = gather_from_processes(torch.from_numpy(images).to(self.device)).cpu().numpy()[where]
        kept = torch.from_numpy(where[everyone >= 0])
        parts = torch.split(gather_from_processes(rows).cpu()[kept], widths, 1)
        return dict(zip(self.columns, parts, strict=True)), everyone[everyone >= 0]

    def _chunks_of(self, step: NDArray[np.int64], number: int) -> list[NDArray[np.int64]]:
        return in_chunks(step, self.forward_batch)[number :: world_size()]

    def _join_batches(self, batches: list[FeatureBatch]) -> StepFeatures:
        if not batches:
            return {}, np.empty(0, np.int64)
        values = {column: torch.cat([batch.columns[column] for batch in batches]) for column in self.columns}
        return values, np.concatenate([batch.indices for batch in batches])

    def _column_widths(self, batches: list[FeatureBatch]) -> Tensor:
        """(columns,) width of each, 0 where this process has no image to tell by."""
        widths = [batches[0].columns[column].shape[1] if batches else 0 for column in self.columns]
        return torch.tensor(widths, device=self.device)


def taken(batches: Iterator[FeatureBatch], count: int) -> list[FeatureBatch]:
    """The next `count` of the batches."""
    return [next(batches) for _ in range(count)]


def _join_chunks(chunks: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *chunks])


def _slot_of_each(places: list[NDArray[np.int64]], slots: int) -> NDArray[np.int64]:
    """(n,) where each image of a step stands among the slots of all processes, one process after the other."""
    where = np.empty(sum(map(len, places)), np.int64)
    for number, own in enumerate(places):
        where[own] = number * slots + np.arange(len(own))
    return where
