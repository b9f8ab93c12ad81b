"""Class predictions of every image of a set, shared among the processes without padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import EvaluationTransform
from dinobench.evaluators.finetune.batches import Normalizer
from dinobench.features.loading import PixelBatch, in_chunks, pixel_batches
from dinobench.features.preparation import evaluation
from dinobench.metrics.classification import top_classes
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import barrier, rank, sum_over_processes, world_size

KEEP_BYTES = 2**30  # crops of a process that are kept in memory between epochs


class Crops:
    """This process's share of a set as the network sees it; decoded once where it fits into `KEEP_BYTES`."""

    def __init__(self, images: ImageSet, transform: EvaluationTransform, batch_size: int, workers: int) -> None:
        self.images = images
        self._transform, self._workers = transform, workers
        self._chunks = in_chunks(np.arange(rank(), len(images), world_size()), batch_size)
        self._kept: list[PixelBatch] | None = None

    def __iter__(self) -> Iterator[PixelBatch]:
        """The batches, in the same order every time.

        Raises:
            InputError: an image that cannot be decoded.
        """
        if self._kept is not None:
            yield from self._kept
            return
        size = self._transform.size
        fits = sum(map(len, self._chunks)) * 3 * size**2 <= KEEP_BYTES
        kept: list[PixelBatch] = []
        for batch in pixel_batches(self.images, self._chunks, evaluation(self._transform), self._workers):
            if batch.unreadable:
                raise InputError(next(iter(batch.unreadable.values())))
            if fits:
                kept.append(batch)
            yield batch
        if fits:
            self._kept = kept


@torch.no_grad()
def predict(model: nn.Module, crops: Crops, normalize: Normalizer, classes: int, device: torch.device) -> Tensor:
    """Ranked classes (N, min(5, classes)) int64 on the CPU, the same in every process."""
    model.eval()
    found = torch.zeros(len(crops.images), min(5, classes), dtype=torch.int64)
    for batch in crops:
        scores = model(normalize(torch.from_numpy(batch.pixels)))
        found[torch.from_numpy(batch.indices)] = top_classes(scores.float()).cpu()
    barrier()  # a process that cannot read an image says so here
    return sum_over_processes(found.to(device)).cpu()
