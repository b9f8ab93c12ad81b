"""Shears and translations only shift rows or columns: Pillow's bicubic affine transform, several times faster."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Colour = tuple[int, int, int]
_ROUNDING = 2e-4  # more than float32 loses here: a whole number must not be cut to the next one below
_TRANSPOSE = Image.Transpose.TRANSPOSE


def shear_x(image: Image.Image, factor: float, fill: Colour) -> Image.Image:
    """Row y of an RGB image reads `factor` * (y + 0.5) pixels further right; `fill` where that leaves the image."""
    return shift_rows(image, factor * np.arange(0.5, image.height), fill)


def shear_y(image: Image.Image, factor: float, fill: Colour) -> Image.Image:
    """Column x reads `factor` * (x + 0.5) pixels further down."""
    return shear_x(image.transpose(_TRANSPOSE), factor, fill).transpose(_TRANSPOSE)


def translate_x(image: Image.Image, share: float, fill: Colour) -> Image.Image:
    """Every row reads `share` of the width further right."""
    return _translate(image, share, 1, fill)


def translate_y(image: Image.Image, share: float, fill: Colour) -> Image.Image:
    """Every column reads `share` of the height further down."""
    return _translate(image, share, 0, fill)


def _translate(image: Image.Image, share: float, axis: int, fill: Colour) -> Image.Image:
    """`shift_rows` by one shift for all, along either axis of the (H, W, 3) pixels: whole slices are weighted."""
    pixels = np.asarray(image)
    length = pixels.shape[axis]
    shift = share * length
    whole = int(np.floor(shift))
    read = pixels.take(np.clip(np.arange(-1, length + 2) + whole, 0, length - 1), axis)
    values = torch.from_numpy(read).float()
    taps = [values.narrow(axis, tap, length) for tap in range(4)]
    weights = _cubic_weights(np.array([shift - whole]))[0].tolist()
    out = taps[0] * weights[0]
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        out.add_(tap, alpha=weight)
    shifted = out.add_(_ROUNDING).clamp_(0, 255).byte().numpy()
    centres = np.arange(length) + 0.5 + shift
    np.moveaxis(shifted, axis, 0)[(centres < 0) | (centres >= length)] = fill
    return Image.fromarray(shifted)


def shift_rows(image: Image.Image, shifts: NDArray[np.float64], fill: Colour) -> Image.Image:
    """Read row y at x + shifts[y], by the cubic kernel of Pillow's affine transforms (a = -1, truncated to 8 bits).

    Args:
        image: RGB.
        shifts: (height,) in pixels.
        fill: colour where the place read lies outside the image.
    """
    width, height = image.size
    whole = np.floor(shifts).astype(np.int64)
    columns = np.clip(whole[:, None] + np.arange(-1, width + 2), 0, width - 1)
    places = columns + width * np.arange(height)[:, None]
    read = torch.from_numpy(np.asarray(image).reshape(-1, 3).take(places, axis=0)).view(height, -1).float()
    weights = torch.from_numpy(_cubic_weights(shifts - whole)).float()
    out = read[:, : 3 * width] * weights[:, :1]
    for tap in range(1, 4):
        out.addcmul_(read[:, 3 * tap : 3 * (tap + width)], weights[:, tap : tap + 1])
    out.add_(_ROUNDING).clamp_(0, 255)
    shifted = Image.fromarray(out.byte().view(height, width, 3).numpy())
    centres = np.arange(width) + 0.5 + shifts[:, None]
    shifted.paste(fill, mask=Image.fromarray((centres < 0) | (centres >= width)))
    return shifted


def _cubic_weights(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4) weights of the pixels at -1, 0, 1, 2 for a place `d` in [0, 1) after pixel 0."""
    square, cube = d * d, d * d * d
    return np.stack([2 * square - d - cube, 1 - 2 * square + cube, d + square - cube, cube - square], axis=1)
