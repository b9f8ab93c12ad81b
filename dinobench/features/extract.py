"""Features of every image of a set: decoding, transforms and the forward pass overlap."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import EvaluationTransform, evaluation_transform
from dinobench.features.loading import in_chunks, pixel_batches
from dinobench.features.names import Column, depth_of, parse_feature
from dinobench.features.network import FrozenNetwork
from dinobench.features.preparation import Preparation, evaluation, padding_of
from dinobench.features.rows import FeatureBatch
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError


@dataclass(frozen=True)
class ExtractionSettings:
    """How features are computed; only the precision is part of their identity."""

    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)
    batch_size: int = 64
    workers: int = 0
    precision: str = "fp32"
    compiled: bool = False


def extract_features(
    backbone: Backbone,
    preprocessing: Preprocessing,
    images: ImageSet,
    feature: str = "cls",
    *,
    device: torch.device | str | None = None,
    batch_size: int = 64,
    workers: int = 0,
    precision: str = "fp32",
) -> Tensor:
    """Features of every image, in memory; `FeatureStore` keeps them on disk.

    Args:
        backbone: moved to `device`, put in eval mode.
        preprocessing: resize, crop and normalization.
        images: N images.
        feature: see `dinobench.features.names`.
        device: by default where the backbone is.
        batch_size: images per forward pass.
        workers: decoding threads, 0 for one per core.
        precision: "fp32" or "bf16" (autocast).

    Returns:
        (N, D) float32 on the CPU.

    Raises:
        InputError: an image that cannot be decoded, named.
    """
    where = torch.device(device) if device is not None else next(backbone.parameters(), torch.empty(0)).device
    columns = parse_feature(feature)
    network = Extractor(backbone, preprocessing, columns, where, precision)
    rows: list[Tensor] = []
    chunks = in_chunks(np.arange(len(images)), batch_size)
    batches = feature_batches(network, images, chunks, workers)
    for batch in progress(batches, f"features of {images.name}", len(images), FeatureBatch.image_count):
        for line in batch.unreadable.values():
            raise InputError(line)
        rows.append(torch.cat([batch.columns[column] for column in columns], 1))
    if not rows:
        raise InputError(f"{images.name} holds no image; check the data")
    return torch.cat(rows)


def feature_batches(
    network: Extractor,
    images: ImageSet,
    chunks: Iterable[NDArray[np.int64]],
    workers: int = 0,
    preparation: Preparation | None = None,
) -> Iterator[FeatureBatch]:
    """Features of each chunk of indices, in order; unreadable images are reported in their batch, not raised.

    Args:
        network: the frozen backbone.
        images: where to read from.
        chunks: indices of the images of each batch.
        workers: decoding threads, 0 for one per core.
        preparation: from an image to what the network sees, all of one size; by default the evaluation transform.
    """
    seen = preparation or evaluation(network.transform)
    channels = len(network.transform.mean)
    for batch in pixel_batches(images, chunks, seen, workers, channels):
        features = network(torch.from_numpy(batch.pixels), seen.multiple) if len(batch.indices) else {}
        yield FeatureBatch(batch.indices, {key: value.cpu() for key, value in features.items()}, batch.unreadable)


class Extractor:
    """A frozen backbone as a function from 8-bit crops to columns of features."""

    def __init__(
        self,
        backbone: Backbone,
        preprocessing: Preprocessing,
        columns: tuple[Column, ...],
        device: torch.device,
        precision: str = "fp32",
        compiled: bool = False,
    ) -> None:
        depth = depth_of(columns)
        if depth > backbone.depth:
            raise InputError(f"a feature asks for the {depth} last blocks, but the model has {backbone.depth}")
        self.network = FrozenNetwork(backbone, preprocessing, device, precision, compiled)
        self.columns = columns
        self.device = device
        self.transform = _transform_of(preprocessing)
        forward_of = _kept_columns if compiled else _columns_of
        self._forward = self.network.passes(forward_of(self.network.backbone, columns))

    @classmethod
    def of(cls, model: LoadedBackbone, columns: tuple[Column, ...], how: ExtractionSettings) -> Extractor:
        """The extractor of a loaded model."""
        return cls(model.backbone, model.preprocessing, columns, how.device, how.precision, how.compiled)

    def __call__(self, pixels: Tensor, multiple: int = 1) -> dict[Column, Tensor]:
        """Columns (B, D) or (B, h, w, D) float32 on the device, of crops (B, H, W, 3) uint8.

        The normalized crops are padded with zeros to a `multiple` of pixels, themselves in the middle.
        """
        images = self.network.input(pixels)
        if multiple > 1:
            images = pad(images, padding_of(images.shape[2], images.shape[3], multiple))
        return self.of_images(images)

    def of_images(self, images: Tensor) -> dict[Column, Tensor]:
        """Columns (B, D) or (B, h, w, D) float32 of normalized images (B, 3, H, W) on the device."""
        return dict(zip(self.columns, self._forward(images), strict=True))


def _columns_of(backbone: Backbone, columns: tuple[Column, ...]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """From images (B, 3, H, W) to one (B, D) or (B, h, w, D) float32 per column."""
    if columns == (Column("cls"),):  # spares the last block what only its patches need
        return lambda images: (backbone.class_token(images).float(),)
    if columns == (Column("keys"),):
        return lambda images: (backbone.key_map(images).float(),)
    depth = depth_of(columns)

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        layers = backbone.intermediate_layers(images, depth)
        found = (backbone.key_map(images) if column.kind == "keys" else column.take(layers) for column in columns)
        return tuple(each.float() for each in found)

    return forward


@functools.lru_cache(maxsize=1)
def _kept_columns(backbone: Backbone, columns: tuple[Column, ...]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """The same function for the model's next split, so that it is compiled once."""
    return _columns_of(backbone, columns)


def _transform_of(preprocessing: Preprocessing) -> EvaluationTransform:
    return evaluation_transform(
        preprocessing.size,
        preprocessing.resize,
        preprocessing.interpolation,
        preprocessing.mean,
        preprocessing.std,
    )
