"""Random views' operations on uint8 images, as Pillow defines them but several times faster.

Every function takes and gives a contiguous (H, W, 3) RGB array. Flip and solarisation equal Pillow's; brightness,
contrast, saturation and grayscale differ by at most one level, resizing by what weights of 16 bits round differently,
hue and blur by less than a level on average (tests/training/test_pixels.py holds each against Pillow).
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

Image = NDArray[np.uint8]
_LEVELS = np.arange(256, dtype=np.float32)
_DOWN = -0.4999  # turns OpenCV's rounding to the nearest level into Pillow's rounding down


def crop_and_resize(image: Image, box: tuple[int, int, int, int], size: int) -> Image:
    """The box (top, left, height, width) of the image, resized to size x size: antialiased bicubic."""
    top, left, height, width = box
    part = torch.from_numpy(np.array(image[top : top + height, left : left + width]))
    channels_first = part.permute(2, 0, 1)[None]
    resized = F.interpolate(channels_first, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def flip(image: Image) -> Image:
    """Left and right exchanged."""
    return cv2.flip(image, 1)  # type: ignore[return-value]


def brightness(image: Image, factor: float) -> Image:
    """Blend with black; products are rounded down, as Pillow does."""
    return cv2.convertScaleAbs(image, alpha=factor, beta=_DOWN)  # type: ignore[return-value]


def contrast(image: Image, factor: float) -> Image:
    """Blend with the mean of the grayscale image, rounded to a level."""
    mean = int(cv2.mean(_gray(image))[0] + 0.5)
    return _blend_levels(image, mean, factor)


def saturation(image: Image, factor: float) -> Image:
    """Blend with the grayscale image."""
    return cv2.addWeighted(image, factor, grayscale(image), 1 - factor, _DOWN)  # type: ignore[return-value]


def hue(image: Image, shift: float) -> Image:
    """Turn the hue by `shift` of a full circle, in 8-bit HSV."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    turned = cv2.LUT(hsv, _turn_of(int(shift * 255) % 256))
    return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB_FULL)  # type: ignore[return-value]


def grayscale(image: Image) -> Image:
    """Luminance (ITU-R 601) in all three channels."""
    return cv2.cvtColor(_gray(image), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


def blur(image: Image, radius: float) -> Image:
    """Pillow's Gaussian blur: three box blurs of fractional width, here as one kernel."""
    kernel = _three_boxes(radius)
    return cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def solarize(image: Image) -> Image:
    """Invert the levels from 128 up."""
    return cv2.LUT(image, _SOLARIZED)  # type: ignore[return-value]


_SOLARIZED = np.where(_LEVELS < 128, _LEVELS, 255 - _LEVELS).astype(np.uint8)


def _gray(image: Image) -> Image:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _blend_levels(image: Image, level: int, factor: float) -> Image:
    table = np.clip(level + np.float32(factor) * (_LEVELS - level), 0, 255).astype(np.uint8)
    return cv2.LUT(image, table)  # type: ignore[return-value]


@functools.cache
def _turn_of(steps: int) -> Image:
    """A look-up table (256, 1, 3) that turns channel 0 and leaves the others."""
    levels = np.arange(256, dtype=np.uint8)
    return np.stack([levels + np.uint8(steps), levels, levels], axis=-1)[:, None]


def _three_boxes(radius: float) -> NDArray[np.float32]:
    """Kernel of three box blurs whose variances add up to `radius` squared."""
    variance = radius * radius / 3
    whole = int((math.sqrt(12 * variance + 1) - 1) / 2)
    excess = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    part = excess / (6 * (variance - (whole + 1) ** 2))
    box = np.ones(2 * whole + 3)
    box[0] = box[-1] = part
    box /= box.sum()
    return np.convolve(np.convolve(box, box), box).astype(np.float32)
