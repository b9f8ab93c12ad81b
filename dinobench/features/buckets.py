"""Descriptors of images of varying size: images of one shape share a forward pass, without padding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.features.loading import map_ahead
from dinobench.runtime.console import progress

BATCH_AREA = 224 * 224
"""Pixels that one image of a batch may take; larger images make smaller batches."""

HELD_BYTES = 2**29


@dataclass(frozen=True)
class Bucket:
    """Images of one shape.

    Attributes:
        indices: (b,) int64, which images.
        pixels: (b, H, W, 3) uint8.
    """

    indices: NDArray[np.int64]
    pixels: NDArray[np.uint8]


def bucketed(
    images: Iterable[tuple[int, NDArray[np.uint8]]], batch_size: int, held_bytes: int = HELD_BYTES
) -> Iterator[Bucket]:
    """Group images by shape as they come; a group leaves when it is full, or is the largest when memory is short.

    Args:
        images: index and (H, W, 3) pixels of each.
        batch_size: images of 224 x 224 pixels per group; larger images make smaller groups.
        held_bytes: pixels kept waiting for company, at most.
    """
    waiting: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}
    held = 0
    for index, pixels in images:
        group = waiting.setdefault(pixels.shape, [])
        group.append((index, pixels))
        held += pixels.nbytes
        full = len(group) >= max(1, batch_size * BATCH_AREA // (pixels.shape[0] * pixels.shape[1]))
        if full or held > held_bytes:
            shape = pixels.shape if full else max(waiting, key=lambda key: len(waiting[key]) * int(np.prod(key)))
            bucket = _stack_group(waiting.pop(shape))
            held -= bucket.pixels.nbytes
            yield bucket
    yield from map(_stack_group, waiting.values())


def described(
    describe: Callable[[Tensor], Tensor],
    prepare: Callable[[int], Image.Image],
    indices: NDArray[np.int64],
    *,
    batch_size: int = 64,
    workers: int = 0,
    label: str = "features",
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Describe images of any sizes, in whatever order their shapes allow.

    Args:
        describe: from (b, H, W, 3) uint8 pixels to (b, D).
        prepare: decodes and resizes the image of an index; called in threads ahead of the network.
        indices: (n,) which images.
        batch_size: images of 224 x 224 pixels per forward pass; larger ones go fewer at a time.
        workers: decoding threads, 0 for one per core.
        label: of the progress bar.

    Yields:
        Indices (b,) and their descriptors (b, D), float32 on the CPU; every index once.
    """

    def load(index: int) -> tuple[int, NDArray[np.uint8]]:
        return index, np.asarray(prepare(index))

    loaded = progress(map_ahead(load, indices.tolist(), workers), label, len(indices))
    for bucket in bucketed(loaded, batch_size):
        with torch.inference_mode():
            rows = describe(torch.from_numpy(bucket.pixels)).float().cpu()
        yield bucket.indices, rows


def _stack_group(group: list[tuple[int, NDArray[np.uint8]]]) -> Bucket:
    indices, pixels = zip(*group, strict=True)
    return Bucket(np.array(indices, dtype=np.int64), np.stack(pixels))
