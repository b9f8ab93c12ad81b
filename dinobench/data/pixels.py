"""Operations of random augmentations on uint8 images, as Pillow defines them but several times faster.

Every function takes and gives a contiguous (H, W, 3) RGB array. Flip and solarization equal Pillow's; brightness,
contrast, saturation and grayscale differ by at most one level, resizing by what weights of 16 bits round differently,
hue and blur by less than a level on average (tests/data/test_pixels.py holds each against Pillow).
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
_DOWN = -0.4999  # turns OpenCV's rounding to the nearest level into Pillow's rounding down


def crop_and_resize(image: Image, box: tuple[int, int, int, int], size: int) -> Image:
    """The box (top, left, height, width) of the image, resized to size x size: antialiased bicubic."""
    top, left, height, width = box
    part = torch.from_numpy(np.array(image[top : top + height, left : left + width]))
    # The batch dimension comes first: torch sees channels that lie last in memory only by the strides of four.
    channels_first = part[None].permute(0, 3, 1, 2)
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
    red, green, blue, _ = cv2.mean(image)
    mean = int(0.299 * red + 0.587 * green + 0.114 * blue + 0.5)
    return cv2.addWeighted(image, factor, image, 0, mean * (1 - factor) + _DOWN)  # type: ignore[return-value]


def saturation(image: Image, factor: float) -> Image:
    """Blend with the grayscale image."""
    return blend(grayscale(image), image, factor)


def blend(first: Image, second: Image, factor: float) -> Image:
    """From `first` at 0 to `second` at 1 and beyond; rounded down."""
    return cv2.addWeighted(second, factor, first, 1 - factor, _DOWN)  # type: ignore[return-value]


def hue(image: Image, shift: float) -> Image:
    """Turn the hue by `shift` of a full circle, in 8-bit HSV."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    rows = hsv.reshape(len(hsv), -1)  # a whole row at once: numpy would go through threes of channels one by one
    np.add(rows, _turn_of(int(shift * 255) % 256, image.shape[1]), out=rows)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)  # type: ignore[return-value]


def grayscale(image: Image) -> Image:
    """Luminance (ITU-R 601) in all three channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


def blur(image: Image, radius: float) -> Image:
    """Pillow's Gaussian blur: three box blurs of fractional width, here as one kernel; radius to a hundredth."""
    kernel = _three_boxes(round(radius, 2))
    return cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def solarize(image: Image) -> Image:
    """Invert the levels from 128 up."""
    return np.minimum(image, ~image)


@functools.cache
def _turn_of(steps: int, width: int) -> Image:
    """A row of `width` pixels (3 width,) that adds `steps` to channel 0 and nothing to the others."""
    return np.tile(np.array([steps, 0, 0], np.uint8), width)


@functools.cache
def _three_boxes(radius: float) -> NDArray[np.float32]:
    """Kernel of three box blurs whose variances add up to `radius` squared, of as many taps as are not 0 in 8 bits."""
    variance = radius * radius / 3
    whole = int((math.sqrt(12 * variance + 1) - 1) / 2)
    excess = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    part = excess / (6 * (variance - (whole + 1) ** 2))
    box = np.ones(2 * whole + 3)
    box[0] = box[-1] = part
    box /= box.sum()
    # OpenCV holds weights as whole 256ths: what they lack to 1 goes to the middle, lest the image change its level.
    weights = np.rint(256 * np.convolve(np.convolve(box, box), box))
    weights[len(weights) // 2] += 256 - weights.sum()
    taps = np.flatnonzero(weights)
    return (weights[taps[0] : taps[-1] + 1] / 256).astype(np.float32)
