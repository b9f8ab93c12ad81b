"""Random crops of training images with their classes, as the released linear heads were trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.masks import VOID, Labels
from dinobench.data.transforms import resampling
from dinobench.evaluators.segmentation.frames import Frame, resize_labels
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.evaluators.segmentation.sizes import short_side_size

_TRIES = 10
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = 32.0, (0.5, 1.5), (0.5, 1.5), (-0.5, 0.5)

Pixels = NDArray[np.uint8]


def training_crop(image: Image.Image, labels: Labels, settings: Settings, rng: np.random.Generator) -> Frame:
    """A random part of an image: resized, cropped to a square, perhaps mirrored and distorted.

    A crop that the resized image does not fill is smaller than the others: `training_batch` pads it.
    """
    side, window = settings.image_size, settings.window or settings.image_size
    low, high = settings.resize_range
    size = short_side_size(image.size, int(side * rng.uniform(low, high)))
    pixels: Pixels = np.asarray(image.resize(size, resampling(settings.interpolation)))
    labels = resize_labels(labels, size)
    rows, columns = _crop(labels, window, settings.most_of_one, rng)
    pixels, labels = pixels[rows, columns], labels[rows, columns]
    if rng.random() < settings.flip:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    if settings.distortion:
        pixels = distort(pixels, rng)
    return Frame(np.ascontiguousarray(pixels), np.ascontiguousarray(labels), labels)


def _crop(labels: Labels, window: int, most: float, rng: np.random.Generator) -> tuple[slice, slice]:
    """A place of a window; another where one class fills more than the share `most` of it, up to ten times."""
    place = _draw_place(labels, window, rng)
    for _ in range(_TRIES):
        found, counts = np.unique(labels[place], return_counts=True)
        counts = counts[found != VOID]
        if len(counts) > 1 and counts.max() / counts.sum() < most:
            break
        place = _draw_place(labels, window, rng)
    return place


def _draw_place(labels: Labels, window: int, rng: np.random.Generator) -> tuple[slice, slice]:
    top, left = (int(rng.integers(max(length - window, 0) + 1)) for length in labels.shape)
    return slice(top, top + window), slice(left, left + window)


def distort(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast, saturation and hue of (H, W, 3) pixels, each changed with probability 1/2.

    Contrast comes second or last. Ranges as in mmsegmentation, which the released configurations use.
    """
    from torchvision.transforms.v2 import functional

    def changed(tensor_function: object, factor: float) -> Pixels:
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        turned: Pixels = tensor_function(image, factor).permute(1, 2, 0).numpy()  # type: ignore[operator]
        return turned

    if rng.random() < 0.5:
        pixels = _scaled(pixels, 1.0, rng.uniform(-_BRIGHTNESS, _BRIGHTNESS))
    contrast = rng.uniform(*_CONTRAST) if rng.random() < 0.5 else 1.0
    first = rng.random() < 0.5
    pixels = _scaled(pixels, contrast, 0.0) if first else pixels
    if rng.random() < 0.5:
        pixels = changed(functional.adjust_saturation, rng.uniform(*_SATURATION))
    if rng.random() < 0.5:
        pixels = changed(functional.adjust_hue, rng.uniform(*_HUE))
    return pixels if first else _scaled(pixels, contrast, 0.0)


def _scaled(pixels: Pixels, factor: float, shift: float) -> Pixels:
    """Clipped to eight bits, rounded down."""
    scaled: Pixels = np.clip(pixels.astype(np.float32) * np.float32(factor) + np.float32(shift), 0, 255).astype(
        np.uint8
    )
    return scaled
