"""Label propagation as the released code of CT has it (TimeCycle; Wang et al. 2019), for `davis@ct`.

What differs from DINO's: frames are stretched to a square, there is no window, each context frame has a softmax and
nearest tokens of its own, labels are summed with those weights as they are, and every channel is then stretched to
0..1. The first frame's own labels are propagated once too: the result takes its place among the earlier frames.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.masks import Labels
from dinobench.evaluators.video_segmentation.propagation import Propagation
from dinobench.runtime.errors import InputError

TARGETS_PER_BLOCK = 512
FEWEST_PIXELS = 12
"""An object of fewer pixels in the stretched first mask is left out."""


class CyclePropagator:
    """Carries the labels of a first frame through the following ones.

    Args:
        features: (h, w, D) of the first frame, l2-normalized.
        labels: (h, w, C) of the first frame.
        settings: `topk` counts per context frame; frames before the first are copies of it.

    Raises:
        InputError: a radius, for there is no window.
    """

    def __init__(self, features: Tensor, labels: Tensor, settings: Propagation) -> None:
        if settings.radius:
            raise InputError(f"variant=ct looks at whole frames, and radius is {settings.radius}; set radius=0")
        self.settings = settings
        self._first = (features, labels)
        self._present = labels.flatten(0, 1).amax(0) > 0
        self._recent = deque([self._first] * settings.n_last_frames, maxlen=settings.n_last_frames)
        self.step(features)

    def step(self, features: Tensor) -> Tensor:
        """Soft labels (h, w, C) of the next frame, from its l2-normalized features (h, w, D)."""
        context = [self._first, *self._recent]
        summed = torch.stack([self._copied(features, *frame) for frame in context]).sum(0) / len(context)
        low = summed - summed.amin((0, 1))
        # A channel that is the same everywhere becomes NaN and then wins everywhere, as in the released code.
        stretched = torch.where(self._present, low / low.amax((0, 1)), 0.0)
        self._recent.append((features, stretched))
        return stretched

    def _copied(self, features: Tensor, source: Tensor, labels: Tensor) -> Tensor:
        """(h, w, C): the labels of one context frame's nearest tokens, each times its share of the softmax."""
        bank, known = source.flatten(0, 1), labels.flatten(0, 1)
        parts = []
        for targets in torch.split(features.flatten(0, 1), TARGETS_PER_BLOCK):
            shares = torch.softmax(targets @ bank.T / self.settings.temperature, dim=1)
            best = shares.topk(min(self.settings.topk, shares.shape[1]), dim=1)
            parts.append((known[best.indices] * best.values[..., None]).sum(1))
        return torch.cat(parts).reshape(*features.shape[:2], -1)


def stretched_frame(
    pixels: NDArray[np.uint8], size: tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Network input (3, H, W) of an RGB image (h, w, 3), stretched to `size` by OpenCV as numbers between 0 and 1."""
    image = cv2.resize(pixels.astype(np.float32) / 255, size[::-1])
    shift, scale = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
    return (torch.from_numpy(image).permute(2, 0, 1) - shift) / scale


def cycle_labels(labels: Labels, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Labels (H, W) stretched to `size` by the nearest pixel, one-hot, bilinear at the tokens of `grid`: (h, w, C)."""
    stretched = np.asarray(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))
    one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[stretched]
    pixels = one_hot.sum((0, 1))
    pixels[0] += 1  # the source counts the first pixel of an object as none, and that of the background as one
    return torch.from_numpy(cv2.resize(one_hot * (pixels >= FEWEST_PIXELS), grid[::-1]))


def unstretched_labels(soft: Tensor, size: tuple[int, int], frame: tuple[int, int]) -> Labels:
    """Object numbers at the frame's own size of soft labels (h, w, C): bilinear to `size`, argmax, nearest pixel."""
    large = np.asarray(cv2.resize(soft.cpu().numpy(), size[::-1]))
    strongest = large.reshape(*size, -1).argmax(-1).astype(np.uint8)
    return np.asarray(cv2.resize(strongest, frame[::-1], interpolation=cv2.INTER_NEAREST))
