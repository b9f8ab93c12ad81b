"""Training batches: which image stands where is a function of the seed and the step, in any number of processes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.finetune.augmentation import TrainAugmentation
from dinobench.features.loading import map_ahead
from dinobench.models.networks.backbone import Preprocessing
from dinobench.runtime.errors import InputError


@dataclass(frozen=True)
class Order:
    """The order of the training images.

    Attributes:
        images: how many there are.
        batch: images per step over all processes.
        repeats: times that an image stands in its batch.
        seed: of the shuffle.
    """

    images: int
    batch: int
    repeats: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.images // self.batch

    def batch_at(self, step: int) -> NDArray[np.int64]:
        """(batch,) indices of the images of a step counted from 0 over all epochs."""
        epoch, within = divmod(step, self.steps_per_epoch)
        places = np.arange(within * self.batch, (within + 1) * self.batch) // self.repeats
        return _shuffled_order(self.images, self.seed, epoch)[places]


@lru_cache(maxsize=2)
def _shuffled_order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(images)


def make_order(images: int, batch: int, repeats: int, seed: int, *, even: bool, processes: int) -> Order:
    """The order of `images`, in batches no larger than the set itself.

    Raises:
        InputError: the batch does not divide among the processes, or nothing is left of it.
    """
    unit = processes * (2 if even else 1)
    if batch % unit:
        raise InputError(f"batch_size = {batch} must be a multiple of {unit} for {processes} processes")
    fitting = min(batch, images // unit * unit)
    if not fitting:
        raise InputError(
            f"{images} training images are too few for batches of {unit}; use more data or fewer processes"
        )
    return Order(images, fitting, repeats, seed)


@dataclass(frozen=True)
class Batch:
    """One process's share of a step: (b, S, S, 3) uint8 pixels and (b,) int64 labels."""

    step: int
    pixels: Tensor
    labels: Tensor


def training_batches(
    images: ImageSet,
    order: Order,
    augmentation: TrainAugmentation,
    steps: range,
    *,
    rank: int,
    world: int,
    workers: int,
) -> Iterator[Batch]:
    """The batches of `steps`, augmented by threads ahead of the network.

    Args:
        images: the training set.
        order: which images stand where.
        augmentation: of each image, with a generator of its own.
        steps: counted from 0 over all epochs.
        rank: number of this process.
        world: how many processes there are; each takes every `world`-th image of a batch.
        workers: threads, 0 for one per core.

    Raises:
        InputError: an image that cannot be decoded.
    """

    def load(step: int) -> Batch:
        places = range(rank, order.batch, world)
        chosen = order.batch_at(step)[rank::world]
        generators = (random.Random(f"{order.seed}/{step}/{place}") for place in places)
        pixels = [augmentation(images.read(index), rng) for index, rng in zip(chosen, generators, strict=True)]
        return Batch(step, torch.from_numpy(np.stack(pixels)), torch.from_numpy(images.labels[chosen]))

    return map_ahead(load, steps, workers)


class Normalizer:
    """From 8-bit pixels to a network's input, on its device."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device, *, channels_last: bool) -> None:
        mean = torch.tensor(preprocessing.mean, device=device).view(1, -1, 1, 1)
        std = torch.tensor(preprocessing.std, device=device).view(1, -1, 1, 1)
        self._device = device
        self._factor, self._offset = 1 / (255 * std), -mean / std
        self._format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, pixels: Tensor) -> Tensor:
        """(b, S, S, 3) uint8 -> (b, 3, S, S) float32."""
        images = pixels.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        if self._device.type != "cpu":
            return self._scale_pixels(images.contiguous(memory_format=self._format).float())
        result = torch.empty(images.shape, memory_format=self._format)
        for target, image in zip(torch.split(result, 1), torch.split(images, 1), strict=True):
            self._scale_pixels(target.copy_(image))  # one image after the other stays in the cache
        return result

    def _scale_pixels(self, images: Tensor) -> Tensor:
        return images.mul_(self._factor).add_(self._offset)
