"""Frames and masks of a video as a network sees them, and its answer back at the frame's own size."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from dinobench.data.masks import Labels
from dinobench.data.transforms import normalize


def read_frame_tensor(
    pixels: NDArray[np.uint8], size: tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Network input (3, H, W) of an RGB image (h, w, 3) resized to `size` = (H, W).

    OpenCV's bilinear resize of 8-bit pixels, without antialias, as in the released code.
    """
    return normalize(cv2.resize(pixels, size[::-1]), mean, std)


def covered(grid: tuple[int, int], patch: int, size: tuple[int, int]) -> tuple[float, float]:
    """The shares of a frame's height and width that whole patches cover; what is left lies below and at the right.

    Args:
        grid: tokens down and across.
        patch: pixels per token.
        size: height and width of the network's input.
    """
    return min(1.0, grid[0] * patch / size[0]), min(1.0, grid[1] * patch / size[1])


def one_hot_labels(labels: Labels, grid: tuple[int, int], share: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Labels (H, W) at the nearest pixel of each token of `grid`, one-hot: (C, h, w).

    C is one more than the largest number left: small objects can vanish here.

    Args:
        labels: of the whole frame.
        grid: tokens down and across.
        share: of the height and width that the tokens cover.
    """
    box = (0, 0, labels.shape[1] * share[1], labels.shape[0] * share[0])
    small = np.asarray(Image.fromarray(labels).resize((grid[1], grid[0]), Image.Resampling.NEAREST, box))
    return functional.one_hot(torch.from_numpy(small.astype(np.int64))).permute(2, 0, 1).float()


def upsample(soft: Tensor, factor: int) -> Tensor:
    """Soft labels (C, h, w) enlarged to pixels, bilinear: (C, factor h, factor w)."""
    return functional.interpolate(soft[None], scale_factor=factor, mode="bilinear", align_corners=False)[0]


def stretch_channels(labels: Tensor) -> Tensor:
    """Each channel of (C, H, W) to the range 0..1; one without a positive value stays.

    A constant positive channel becomes NaN and then wins everywhere, as in the released code.
    """
    low, high = labels.amin(dim=(1, 2), keepdim=True), labels.amax(dim=(1, 2), keepdim=True)
    return torch.where(high > 0, (labels - low) / (high - low), labels)


def label_map(soft: Tensor, factor: int, size: tuple[int, int], share: tuple[float, float] = (1.0, 1.0)) -> Labels:
    """Object numbers at the frame's own size (H, W): upsampled, stretched, the strongest channel, nearest pixel.

    Args:
        soft: (C, h, w) propagated labels.
        factor: pixels per token.
        size: height and width of the frame as stored.
        share: of the height and width that the tokens cover; the rest is as the nearest pixel that they do.
    """
    numbers = stretch_channels(upsample(soft, factor)).argmax(dim=0).to(torch.uint8).cpu().numpy()
    below, right = (round(seen / part) - seen for seen, part in zip(numbers.shape, share, strict=True))
    whole = np.pad(numbers, ((0, below), (0, right)), mode="edge")
    return np.asarray(Image.fromarray(whole).resize((size[1], size[0]), Image.Resampling.NEAREST))
