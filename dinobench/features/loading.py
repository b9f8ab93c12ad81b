"""Batches of decoded, cropped images, prepared by threads ahead of the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.dataset import ImageSet
from dinobench.features.preparation import Apply, Preparation
from dinobench.runtime.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PixelBatch:
    """Images as the network will see them, still 8-bit: a quarter of the memory traffic of floats.

    Attributes:
        indices: (b,) int64, which images of the set these are.
        pixels: (b, H, W, C) uint8, C = 3 for RGB.
        unreadable: one line per image that could not be decoded, by index; they are in neither array.
    """

    indices: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    unreadable: dict[int, str]


def pixel_batches(
    images: ImageSet,
    chunks: Iterable[NDArray[np.int64]],
    preparation: Preparation,
    workers: int = 0,
    channels: int = 3,
) -> Iterator[PixelBatch]:
    """The images of each chunk of indices as one batch, in order.

    Args:
        images: where to read from.
        chunks: indices of the images of each batch; taken one at a time, as the threads get to them.
        preparation: from an RGB image and its index to the pixels that the network sees, all of one size.
        workers: decoding threads (Pillow decodes and resizes outside the interpreter's lock); 0 for one per core.
        channels: of the images; each is cropped by itself where it is not RGB.
    """
    if preparation.size is None:
        raise InputError(f"{preparation.name} gives images of varying size, which share no batch; give them one size")
    shape = (*preparation.size, channels)
    return map_ahead(lambda chunk: _load_batch(images, chunk, preparation.apply, shape), chunks, workers)


def in_chunks(indices: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """`indices` (n,) cut into parts of `size`, the last perhaps smaller."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int = 0) -> Iterator[Result]:
    """`function` of every item, in order, computed by threads ahead of the consumer; bounded to one item per thread."""
    threads = workers or min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _load_batch(images: ImageSet, indices: NDArray[np.int64], apply: Apply, shape: tuple[int, int, int]) -> PixelBatch:
    pixels = np.empty((len(indices), *shape), np.uint8)
    readable: list[int] = []
    unreadable: dict[int, str] = {}
    for index in indices.tolist():
        try:
            pixels[len(readable)] = _image_pixels(images, index, apply, shape[2])
            readable.append(index)
        except InputError as error:
            unreadable[index] = str(error)
    return PixelBatch(np.array(readable, np.int64), pixels[: len(readable)], unreadable)


def _image_pixels(images: ImageSet, index: int, apply: Apply, channels: int) -> NDArray[np.uint8]:
    if channels == 3:
        return np.asarray(apply(index, images.read(index)))
    bands = np.moveaxis(images.pixels(index, channels), 2, 0)
    return np.stack([np.asarray(apply(index, Image.fromarray(band))) for band in bands], axis=-1)
