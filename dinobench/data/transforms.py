"""From a Pillow image to a network's input, to the last bit as torchvision's Pillow transforms do it.

Parity matters: a resize without antialias moves k-NN accuracy by whole points. Written over Pillow alone, because the
import of torchvision is a good part of a short command's time; tests hold both equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dinobench.runtime.errors import InputError

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}


def resampling(interpolation: str) -> Image.Resampling:
    """Pillow's filter of that name; InputError lists the known ones."""
    if interpolation not in FILTERS:
        raise InputError(f"unknown interpolation '{interpolation}'; choose one of {', '.join(FILTERS)}")
    return FILTERS[interpolation]


def shorter_side_size(width: int, height: int, shorter: int) -> tuple[int, int]:
    """(width, height) once the shorter side is `shorter` pixels; the longer is rounded down, as torchvision does."""
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def resize_shorter_side(image: Image.Image, shorter: int, interpolation: str = "bicubic") -> Image.Image:
    """Resize, antialiased, so that the shorter side has `shorter` pixels and the aspect is kept."""
    size = shorter_side_size(*image.size, shorter)
    return image if size == image.size else image.resize(size, resampling(interpolation))


def center_crop(image: Image.Image, size: int) -> Image.Image:
    """The central size x size square; an image smaller than that is first padded with black."""
    width, height = image.size
    if width < size or height < size:
        left, top = max(size - width, 0) // 2, max(size - height, 0) // 2
        canvas = Image.new(image.mode, (max(width, size), max(height, size)))
        canvas.paste(image, (left, top))
        image, (width, height) = canvas, canvas.size
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def normalize(image: Image.Image | np.ndarray, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(3, H, W) float32 of an 8-bit RGB image: scaled to [0, 1], less `mean`, over `std`, per channel."""
    return normalize_pixels(torch.from_numpy(np.array(image))[None], mean, std)[0]


def normalize_pixels(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(B, C, H, W) float32 of 8-bit pixels (B, H, W, C), on their device; see `normalize`.

    Raises:
        InputError: other channels than `mean` has.
    """
    if len(mean) != pixels.shape[3]:
        raise InputError(
            f"the model takes {len(mean)} channels, this task's images have {pixels.shape[3]}; score it by knn"
        )
    shift, scale = (torch.tensor(tuple(values), device=pixels.device).view(-1, 1, 1) for values in (mean, std))
    return pixels.permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(shift).div_(scale)


@dataclass(frozen=True)
class EvaluationTransform:
    """Resize the shorter side, crop the center, normalize; picklable, for worker processes.

    Attributes:
        size: side of the square result in pixels.
        resize: shorter side before the crop, in pixels.
        interpolation: "bicubic" or "bilinear", antialiased as Pillow does it.
        mean, std: per channel, for RGB in [0, 1].
    """

    size: int
    resize: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def crop(self, image: Image.Image) -> Image.Image:
        """The size x size pixels that the network will see, still 8-bit."""
        return center_crop(resize_shorter_side(image, self.resize, self.interpolation), self.size)

    def __call__(self, image: Image.Image) -> Tensor:
        """(3, size, size) float32 of an RGB image."""
        return normalize(self.crop(image), self.mean, self.std)


def evaluation_transform(
    size: int, resize: int, interpolation: str, mean: Sequence[float], std: Sequence[float]
) -> EvaluationTransform:
    """The usual evaluation transform: for 224 px, `evaluation_transform(224, 256, "bicubic", mean, std)`.

    Raises:
        InputError: an unknown interpolation or a size below one pixel.
    """
    resampling(interpolation)
    if size < 1 or resize < 1:
        raise InputError(f"image size {size} and resize {resize} must be at least 1 pixel; set them higher")
    return EvaluationTransform(size, resize, interpolation, tuple(mean), tuple(std))
