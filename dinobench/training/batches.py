"""Which images a step sees, and their views: the same whatever the number of workers and however often resumed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dinobench.data.dataset import ImageSet
from dinobench.data.decode import decode_rgb
from dinobench.runtime.errors import InputError
from dinobench.runtime.processes import rank, world_size
from dinobench.training.recipe import Recipe
from dinobench.training.views import Colors, MultiCrop, ViewKind, generator_of

_MEMORY = 2 << 30
_SAMPLE = 16


@dataclass(frozen=True)
class BatchRequest:
    """One micro-batch: the images of these indices, as they look in this epoch; with their files where streamed."""

    epoch: int
    indices: tuple[int, ...]
    encoded: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class BatchPlan:
    """Order of a whole run.

    Attributes:
        images: number of training images.
        batch_size: images of one step over all processes.
        epochs: of the run.
        seed: of the order.
        accumulation: micro-batches per step and process.
        rank, processes: which share of each batch is ours.
    """

    images: int
    batch_size: int
    epochs: int
    seed: int
    accumulation: int = 1
    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        """Refuse shares that cannot be equal and data too few for one batch."""
        if self.batch_size > self.images:
            raise InputError(f"{self.images} images are fewer than one batch of {self.batch_size}; lower batch_size")
        if self.batch_size % (self.processes * self.accumulation):
            raise InputError(
                f"batch_size = {self.batch_size} does not split evenly over {self.processes} processes with "
                f"accumulation = {self.accumulation}; change one of them"
            )

    @property
    def micro_batch(self) -> int:
        """Images that one process takes at once."""
        return self.batch_size // (self.processes * self.accumulation)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the rest of the images wait for another epoch's order."""
        return self.images // self.batch_size

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.epochs * self.steps_per_epoch

    def requests(self, first_step: int = 0) -> Iterator[BatchRequest]:
        """Micro-batches of this process, from `first_step` to the end of the run."""
        order: NDArray[np.int64] = np.empty(0, np.int64)
        for step in range(first_step, self.steps):
            epoch, place = divmod(step, self.steps_per_epoch)
            if place == 0 or step == first_step:
                order = generator_of(self.seed, epoch, self.images).permutation(self.images)
            batch = order[place * self.batch_size : (place + 1) * self.batch_size]
            for part in np.split(batch[self.rank :: self.processes], self.accumulation):
                yield BatchRequest(epoch, tuple(part.tolist()))


def multi_crop(recipe: Recipe) -> MultiCrop:
    """The views that a recipe asks for, the two global ones first."""
    first, second, local = recipe.blur_probability
    scale = (recipe.global_scale[0], recipe.global_scale[1])
    kinds = [
        ViewKind(recipe.global_size, scale, first),
        ViewKind(recipe.global_size, scale, second, recipe.solarize_probability),
        *[ViewKind(recipe.local_size, (recipe.local_scale[0], recipe.local_scale[1]), local)] * recipe.local_crops,
    ]
    colors = Colors(
        flip_probability=recipe.flip_probability,
        jitter_probability=recipe.jitter_probability,
        brightness=recipe.brightness,
        contrast=recipe.contrast,
        saturation=recipe.saturation,
        hue=recipe.hue,
        grayscale_probability=recipe.grayscale_probability,
        blur_radius=(recipe.blur_radius[0], recipe.blur_radius[1]),
    )
    return MultiCrop(tuple(kinds), colors)


class DecodedImages:
    """Pixels of an ImageSet, decoded once where all of them fit into memory.

    Args:
        images: the training images.
        channels: of the views; luminance, 1, is drawn from the colors of the views and asks for RGB.
        memory: bytes that the pixels may take; where they would take more, files are decoded as they are asked for.
    """

    def __init__(self, images: ImageSet, channels: int = 3, memory: int = _MEMORY) -> None:
        self.images, self.channels = images, 3 if channels == 1 else channels
        self._kept: Sequence[NDArray[np.uint8]] | NDArray[np.uint8] | None = None
        if self.channels == 3:
            self._kept = images.arrays()
        if self._kept is None and self._decoded_bytes() <= memory:
            self._kept = [images.pixels(index, self.channels) for index in range(len(images))]

    def _decoded_bytes(self) -> float:
        """Of all decoded images, judged by a few."""
        spread = np.linspace(0, len(self.images) - 1, min(_SAMPLE, len(self.images))).astype(int)
        sizes = [self.images.pixels(int(index), self.channels).nbytes for index in spread]
        return float(np.mean(sizes)) * len(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, C) pixels of one image; InputError names a file that cannot be decoded."""
        return self.images.pixels(index, self.channels) if self._kept is None else self._kept[index]


class ViewBatches(Dataset[list[Tensor]]):
    """Micro-batches of views by `BatchRequest`; without `images`, of the files that come with each request."""

    def __init__(self, images: DecodedImages | None, crops: MultiCrop, seed: int, in_channels: int = 3) -> None:
        self.images, self.crops, self.seed, self.in_channels = images, crops, seed, in_channels

    def __getitem__(self, request: BatchRequest) -> list[Tensor]:
        """uint8 views, one tensor (views * B, size, size, C) per size, view by view."""
        pixels = zip(self._request_pixels(request), request.indices, strict=True)
        drawn = [self.crops(image, self._generator_for(request, index)) for image, index in pixels]
        by_view = list(zip(*drawn, strict=True))
        groups = [[view for views in part for view in views] for part in (by_view[:2], by_view[2:])]
        return [torch.from_numpy(self._to_channels(np.stack(group))) for group in groups if group]

    def _request_pixels(self, request: BatchRequest) -> Iterator[NDArray[np.uint8]]:
        if self.images is not None:
            return (self.images[index] for index in request.indices)
        names = (f"{number} of epoch {request.epoch} of the stream" for number in request.indices)
        return (np.asarray(decode_rgb(*streamed)) for streamed in zip(request.encoded, names, strict=True))

    def _generator_for(self, request: BatchRequest, index: int) -> np.random.Generator:
        return generator_of(self.seed, request.epoch, index)

    def _to_channels(self, views: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.in_channels != 1:
            return views
        return np.stack([np.asarray(Image.fromarray(view).convert("L"))[..., None] for view in views])


def load_views(
    batches: ViewBatches, requests: Iterator[BatchRequest], *, workers: int, pin_memory: bool
) -> Iterator[list[Tensor]]:
    """Views of all requests in turn, drawn by `workers` processes ahead of time, or here for 0."""
    cv2.setNumThreads(0)  # its threads cost more than they give on views of this size
    if workers == 0:
        return (batches[request] for request in requests)
    loader: DataLoader[Any] = DataLoader(
        _Guarded(batches),
        sampler=requests,
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_one_thread,
    )
    return _raise_errors(loader)


def step_seed(seed: int, step: int) -> int:
    """Seed of the dropped paths of one step, a different one for every process."""
    return (seed << 40) + (step << 12) + rank()


def worker_count(wanted: int, device: torch.device) -> int:
    """Processes that draw views: as asked for, else none beside a CPU's training and up to ten beside a GPU's."""
    if wanted >= 0:
        return wanted
    return 0 if device.type == "cpu" else min(10, max(1, (os.cpu_count() or 1) // max(1, world_size()) - 1))


class _Guarded(Dataset[Any]):
    """Hands bad input over as a value: a worker's exception would reach the user as a traceback."""

    def __init__(self, batches: ViewBatches) -> None:
        self.batches = batches

    def __getitem__(self, request: BatchRequest) -> list[Tensor] | InputError:
        try:
            return self.batches[request]
        except InputError as error:
            return error


def _raise_errors(loader: DataLoader[Any]) -> Iterator[list[Tensor]]:
    for views in loader:
        if isinstance(views, InputError):
            raise views
        yield views


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


class Normalize:
    """uint8 (N, H, W, C) on any device -> float32 (N, C, H, W) on `device`, less the mean, over the deviation."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        deviation = torch.tensor(std, dtype=torch.float64)
        self._scale = (1 / (255 * deviation)).float().to(device)
        self._shift = (torch.tensor(mean, dtype=torch.float64) / deviation).float().to(device)
        self._device = device

    def __call__(self, views: Tensor) -> Tensor:
        """The result keeps the channels last in memory."""
        width = views.shape[2]  # scaled by whole rows: a broadcast over the channels alone runs in steps of three
        rows = views.to(self._device, non_blocking=True).flatten(2).float()
        rows.mul_(self._scale.repeat(width)).sub_(self._shift.repeat(width))
        return rows.view(views.shape).permute(0, 3, 1, 2)
