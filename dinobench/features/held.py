"""Features of images that a program holds: Pillow images, tensors, a DataLoader, an ImageSet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.data.decode import read_rgb, to_rgb
from dinobench.features.extract import Extractor, feature_batches
from dinobench.features.loading import in_chunks, map_ahead
from dinobench.features.names import Column, parse_columns
from dinobench.features.rows import FeatureBatch
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError

Held = Tensor | Image.Image | ImageSet | Iterable[Any]
"""Normalized images (B, C, H, W); one Pillow image; an ImageSet; or an iterable of Pillow images, of paths, or of
batches as a DataLoader gives them: (B, C, H, W), or a tuple or mapping that begins with it."""


def held_features(network: Extractor, images: Held, names: Sequence[str], batch_size: int) -> dict[str, NDArray[Any]]:
    """Each feature of every image, in order: (N, D) float32, or (N, h, w, D) of maps.

    Args:
        network: with all columns that the features need.
        images: as in `Held`.
        names: of the features.
        batch_size: images per forward pass; a DataLoader has its own.

    Raises:
        InputError: no image, one that cannot be read, or a thing that is not an image.
    """
    parts = list(_answers(network, images, batch_size))
    if not parts:
        raise InputError("there is no image to take features of; give at least one")
    columns = {column: torch.cat([part[column] for part in parts]).numpy() for column in network.columns}
    return {name: np.concatenate([columns[column] for column in parse_columns(name)], axis=-1) for name in names}


def columns_of(names: Sequence[str]) -> tuple[Column, ...]:
    """All columns that some features need, each once."""
    return tuple(dict.fromkeys(column for name in names for column in parse_columns(name)))


def _answers(network: Extractor, images: Held, batch_size: int) -> Iterator[dict[Column, Tensor]]:
    if isinstance(images, ImageSet):
        yield from _of_image_set(network, images, batch_size)
        return
    for batch in progress(_batches(network, images, batch_size), "features", size=len):
        yield {column: rows.cpu() for column, rows in network.of_images(batch).items()}


def _of_image_set(network: Extractor, images: ImageSet, batch_size: int) -> Iterator[dict[Column, Tensor]]:
    chunks = in_chunks(np.arange(len(images)), batch_size)
    batches = feature_batches(network, images, chunks)
    for batch in progress(batches, f"features of {images.name}", len(images), FeatureBatch.image_count):
        for line in batch.unreadable.values():
            raise InputError(line)
        yield batch.columns


def _batches(network: Extractor, images: Tensor | Image.Image | Iterable[Any], batch_size: int) -> Iterator[Tensor]:
    """Normalized batches (B, C, H, W)."""
    if isinstance(images, Tensor):
        yield from torch.split(_checked_batch(images), batch_size)
        return
    items = iter([images] if isinstance(images, Image.Image) else images)
    first = next(items, None)
    if first is None:
        return
    everything = chain([first], items)
    if isinstance(first, Image.Image | str | Path):
        yield from map_ahead(
            lambda some: torch.stack([_input_of(network, item) for item in some]), _in_lists(everything, batch_size)
        )
    else:
        yield from map(_images_of_batch, everything)


def _in_lists(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while some := list(islice(items, size)):
        yield some


def _input_of(network: Extractor, item: object) -> Tensor:
    """(C, S, S) of one Pillow image or the path of one."""
    if isinstance(item, Image.Image):
        return network.transform(to_rgb(item))
    if isinstance(item, str | Path):
        return network.transform(read_rgb(Path(item)))
    raise InputError(f"{type(item).__name__} is not an image; give Pillow images or paths, all of one kind")


def _images_of_batch(batch: Any) -> Tensor:
    """The images of a DataLoader's batch, which may be a tuple or mapping that begins with them."""
    if isinstance(batch, Mapping):
        batch = next(iter(batch.values()), None)
    return _checked_batch(batch[0] if isinstance(batch, tuple | list) and batch else batch)


def _checked_batch(batch: object) -> Tensor:
    if isinstance(batch, Tensor) and batch.ndim == 4 and batch.is_floating_point():
        return batch
    what = f"a {batch.dtype} tensor {tuple(batch.shape)}" if isinstance(batch, Tensor) else f"a {type(batch).__name__}"
    raise InputError(
        f"{what} is not a batch of images; give float tensors (B, C, H, W), normalized as model.transform does"
    )
