"""Random changes of training images with their depth, as DINOv3's kit makes them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dinobench.evaluators.depth.frames import DepthFrame
from dinobench.evaluators.depth.settings import Settings
from dinobench.metrics.depth import DepthArray
from dinobench.runtime.errors import InputError

Pixels = NDArray[np.float32]
_LARGEST = 255.0


def augmented(frame: DepthFrame, settings: Settings, rng: np.random.Generator, name: str) -> DepthFrame:
    """A random crop of an image: perhaps rotated, mirrored, and changed in its colors.

    Raises:
        InputError: the image is smaller than the crop.
    """
    pixels, depth = frame.pixels.astype(np.float32), frame.depth
    if rng.random() < 0.5:
        pixels, depth = rotate(pixels, depth, rng.uniform(-settings.rotation, settings.rotation))
    if rng.random() < settings.flip:
        pixels, depth = pixels[:, ::-1], depth[:, ::-1]
    high, wide = settings.crop_height, settings.crop_width
    if depth.shape[0] < high or depth.shape[1] < wide:
        raise InputError(
            f"{name} is {depth.shape[1]} x {depth.shape[0]} as it is trained on, smaller than crops of {wide} x "
            f"{high}; set crop_width, crop_height and image_size to fit"
        )
    top, left = int(rng.integers(depth.shape[0] - high + 1)), int(rng.integers(depth.shape[1] - wide + 1))
    part = slice(top, top + high), slice(left, left + wide)
    pixels, depth = pixels[part], depth[part]
    if rng.random() < settings.colors:
        factors = rng.uniform(*settings.tint, size=3)
        pixels = recolor(pixels, rng.uniform(*settings.gamma), rng.uniform(*settings.brightness), factors)
    return DepthFrame(np.ascontiguousarray(pixels), np.ascontiguousarray(depth))


def rotate(pixels: Pixels, depth: DepthArray, degrees: float) -> tuple[Pixels, DepthArray]:
    """Both counterclockwise about the middle, black and unknown where nothing was: bilinear, and depth by nearest."""
    from torchvision.transforms.v2 import InterpolationMode, functional

    def turned(array: NDArray[np.float32], mode: InterpolationMode) -> NDArray[np.float32]:
        channels = torch.from_numpy(array.copy()).permute(2, 0, 1)
        found: NDArray[np.float32] = functional.rotate(channels, degrees, mode).permute(1, 2, 0).numpy()
        return found

    return turned(pixels, InterpolationMode.BILINEAR), turned(depth[..., None], InterpolationMode.NEAREST)[..., 0]


def recolor(pixels: Pixels, gamma: float, brightness: float, tint: NDArray[np.float64]) -> Pixels:
    """Values of 0 to 255 to the power gamma, times brightness, times a factor of each channel; clipped."""
    changed: Pixels = np.clip(pixels.astype(np.float64) ** gamma * brightness * tint, 0, _LARGEST).astype(np.float32)
    return changed
