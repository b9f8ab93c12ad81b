"""Patch maps of images as the store keeps them: in which numbers, of what input, and how large they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from dinobench.features.extract import ExtractionSettings, Extractor
from dinobench.features.matrix import joined_shape
from dinobench.features.names import Column
from dinobench.features.preparation import Preparation
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.runtime.errors import InputError

NUMBERS: Mapping[str, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}
SHARD_BYTES = 2**28
"""Of one column of a shard: what is in memory at a time, and what a killed extraction loses at most."""


@dataclass(frozen=True)
class MapSettings:
    """What is kept of each image.

    Attributes:
        numbers: "fp32", or "fp16", which halves the space and rounds to 11 bits.
        preparation: from an image to what the network sees, all of one size; by default the model's evaluation
            transform, a square center crop at the model's input size.
    """

    numbers: Literal["fp32", "fp16"] = "fp32"
    preparation: Preparation | None = None

    def identity(self) -> dict[str, str]:
        """What the values depend on beside model, precision and images."""
        return {"numbers": self.numbers, "preparation": self.preparation.name if self.preparation else "evaluation"}


@dataclass(frozen=True)
class RowSize:
    """How large what is kept of one image is.

    Attributes:
        shape: (D,) of a vector, (h, w, D) of a map, its columns side by side.
        bytes: that it takes in the store.
    """

    shape: tuple[int, ...]
    bytes: int

    @property
    def shard_rows(self) -> int:
        """Maps per file of the store."""
        return max(1, SHARD_BYTES // self.bytes)


def row_size(
    model: LoadedBackbone, columns: tuple[Column, ...], kept: MapSettings | None, how: ExtractionSettings
) -> RowSize:
    """How large the features of one image would be, told by forwarding a black one; N images take N times as much.

    Args:
        model: whose features.
        columns: see `dinobench.features.names`.
        kept: numbers and input of maps; None for vectors.
        how: device and precision.

    Raises:
        InputError: images of varying size, or grids of different size in one feature.
    """
    network = Extractor.of(model, columns, replace(how, compiled=False))
    height, width = input_size(model, kept or MapSettings())
    black = torch.zeros(1, height, width, len(model.preprocessing.mean), dtype=torch.uint8)
    multiple = kept.preparation.multiple if kept and kept.preparation else 1
    shape = joined_shape([tuple(each.shape[1:]) for each in network(black, multiple).values()], columns)
    return RowSize(shape, NUMBERS[kept.numbers if kept else "fp32"].itemsize * math.prod(shape))


def input_size(model: LoadedBackbone, settings: MapSettings) -> tuple[int, int]:
    """Height and width in pixels of what the network sees.

    Raises:
        InputError: they vary.
    """
    if settings.preparation is None:
        return model.preprocessing.size, model.preprocessing.size
    if settings.preparation.size is None:
        raise InputError(f"{settings.preparation.name} gives images of varying size; maps need one size")
    return settings.preparation.size


def narrowed(maps: Mapping[Column, Tensor], numbers: str) -> dict[Column, Tensor]:
    """Maps (b, h, w, D) float32 in the numbers that the store keeps.

    Raises:
        InputError: finite values that are too large for them.
    """
    kept = {column: values.to(NUMBERS[numbers]) for column, values in maps.items()}
    if any(bool((each.isinf() & maps[column].isfinite()).any()) for column, each in kept.items()):
        raise InputError("the model's maps hold values above 65504, the largest of fp16; keep them in fp32")
    return kept
