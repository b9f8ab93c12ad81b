"""Shears and translations only shift rows or columns: Pillow's bicubic affine transform, several times faster.

Images are (H, W, 3) uint8 RGB arrays.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dinobench.data.pixels import Image

Color = tuple[int, int, int]
# Turns OpenCV's rounding to the nearest level into Pillow's rounding down, but for what float32 loses here: a whole
# number must not be cut to the next one below.
_DOWN = -0.5 + 2e-4


def shear_x(image: Image, factor: float, fill: Color) -> Image:
    """Row y reads `factor` * (y + 0.5) pixels further right; `fill` where that leaves the image."""
    return shift_rows(image, factor * np.arange(0.5, image.shape[0]), fill)


def shear_y(image: Image, factor: float, fill: Color) -> Image:
    """Column x reads `factor` * (x + 0.5) pixels further down."""
    return cv2.transpose(shear_x(cv2.transpose(image), factor, fill))  # type: ignore[arg-type,return-value]


def translate_x(image: Image, share: float, fill: Color) -> Image:
    """Every row reads `share` of the width further right."""
    height, width, _ = image.shape
    return shift_rows(image, np.full(height, share * width), fill)


def translate_y(image: Image, share: float, fill: Color) -> Image:
    """Every column reads `share` of the height further down."""
    return cv2.transpose(translate_x(cv2.transpose(image), share, fill))  # type: ignore[arg-type,return-value]


def shift_rows(image: Image, shifts: NDArray[np.float64], fill: Color) -> Image:
    """Read row y at x + shifts[y], by the cubic kernel of Pillow's affine transforms (a = -1, truncated to 8 bits).

    Args:
        image: (H, W, 3) uint8.
        shifts: (H,) in pixels.
        fill: color where the place read lies outside the image.
    """
    height, width, _ = image.shape
    whole = np.floor(shifts)
    read = torch.from_numpy(_read_rows(image, whole)).view(height, -1).float()
    weights = torch.from_numpy(_cubic_weights(shifts - whole)).float()
    out = read[:, : 3 * width] * weights[:, :1]
    for tap in range(1, 4):
        out.addcmul_(read[:, 3 * tap : 3 * (tap + width)], weights[:, tap : tap + 1])
    blended = out.view(height, width, 3).numpy()
    shifted = cv2.addWeighted(blended, 1, blended, 0, _DOWN, dtype=cv2.CV_8U)
    centers = np.arange(0.5, width) + shifts[:, None]
    outside = (centers < 0) | (centers >= width)
    return cv2.copyTo(_plain_image(height, width, fill), outside.view(np.uint8), shifted)  # type: ignore[return-value]


def _read_rows(image: Image, whole: NDArray[np.float64]) -> Image:
    """(H, W + 3, 3): row y from x = whole[y] - 1 on, the outermost pixels repeated outside."""
    height, width, _ = image.shape
    across = whole[:, None].astype(np.int16) + np.arange(-1, width + 2, dtype=np.int16)
    down = np.repeat(np.arange(height, dtype=np.int16)[:, None], width + 3, axis=1)
    places = cv2.merge([across, down])
    read: Image = cv2.remap(image, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return read


@functools.lru_cache(maxsize=4)
def _plain_image(height: int, width: int, fill: Color) -> Image:
    return np.tile(np.array(fill, np.uint8), (height, width, 1))


def _cubic_weights(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4) weights of the pixels at -1, 0, 1, 2 for a place `d` in [0, 1) after pixel 0."""
    square, cube = d * d, d * d * d
    return np.stack([2 * square - d - cube, 1 - 2 * square + cube, d + square - cube, cube - square], axis=1)
