"""Class predictions of every image of a set, shared among the processes without padding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import EvaluationTransform
from dinobench.evaluators.finetuning.batches import Normaliser
from dinobench.features.loading import in_chunks, pixel_batches
from dinobench.metrics.classification import top_classes
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import rank, sum_over_processes, world_size


@torch.no_grad()
def predict(
    model: nn.Module,
    images: ImageSet,
    transform: EvaluationTransform,
    normalise: Normaliser,
    classes: int,
    *,
    batch_size: int,
    workers: int,
    device: torch.device,
) -> Tensor:
    """Ranked classes (N, min(5, classes)) int64 on the CPU, the same in every process.

    Raises:
        InputError: an image that cannot be decoded.
    """
    model.eval()
    found = torch.zeros(len(images), min(5, classes), dtype=torch.int64)
    mine = np.arange(rank(), len(images), world_size())
    for batch in pixel_batches(images, in_chunks(mine, batch_size), transform, workers):
        if batch.unreadable:
            raise InputError(next(iter(batch.unreadable.values())))
        found[torch.from_numpy(batch.indices)] = top_classes(model(normalise(torch.from_numpy(batch.pixels)))).cpu()
    return sum_over_processes(found.to(device)).cpu()
