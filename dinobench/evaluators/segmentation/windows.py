"""Scores of every pixel of an image: from its patches', and by windows that slide over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.features.preparation import padding_of

Scorer = Callable[[Tensor], Tensor]
"""From a normalized image (1, 3, H, W) to scores (C, H, W)."""


def slide_over(image: Tensor, scorer: Scorer, window: int, stride: int) -> Tensor:
    """(C, H, W) scores of an image (1, 3, H, W): the mean over the windows that hold a pixel.

    Windows at the right and lower edge are moved back so that they lie within; a side smaller than the window is
    taken whole, and where both are, the window is a square of the smaller one, as in DINOv3's kit.
    """
    height, width = image.shape[2:]
    side = min(height, width) if window > height and window > width else window
    total, counts = None, torch.zeros(height, width, device=image.device)
    for top, bottom, left, right in window_boxes(height, width, side, stride):
        scores = scorer(image[:, :, top:bottom, left:right])
        total = scores.new_zeros(len(scores), height, width) if total is None else total
        total[:, top:bottom, left:right] += scores
        counts[top:bottom, left:right] += 1
    assert total is not None  # there is at least one window
    return total / counts.to(total)


def window_boxes(height: int, width: int, side: int, stride: int) -> Iterator[tuple[int, int, int, int]]:
    """(top, bottom, left, right) of every window, row by row."""
    for top, bottom in _spans(height, side, stride):
        for left, right in _spans(width, side, stride):
            yield top, bottom, left, right


def _spans(length: int, side: int, stride: int) -> list[tuple[int, int]]:
    count = -(-max(length - side, 0) // stride) + 1
    ends = [min(number * stride + side, length) for number in range(count)]
    return [(max(end - side, 0), end) for end in ends]


def pixel_scores(scores: Tensor, size: tuple[int, int], patch: int, enlarge: str) -> Tensor:
    """(C, H, W) scores of an image's pixels.

    Args:
        scores: (C, h, w) of its patches, or (C, h, w, P) of their pixels.
        size: (H, W); where it is not a whole number of patches, the image lies in the middle of them.
        patch: side of a patch in pixels.
        enlarge: "bilinear" or "repeat", the padding cut away; "stretch": bilinear, padding and all stretched over the
            image, as DINOv2's kit does.
    """
    if scores.ndim == 4:
        classes, high, wide, _ = scores.shape
        pixels = scores.view(classes, high, wide, patch, patch).transpose(2, 3)
        return _cut(pixels.reshape(classes, high * patch, wide * patch), size, patch)
    if enlarge == "stretch":
        return F.interpolate(scores[None], size, mode="bilinear")[0]
    mode = "nearest" if enlarge == "repeat" else "bilinear"
    whole = F.interpolate(scores[None], [side * patch for side in scores.shape[1:]], mode=mode)[0]
    return _cut(whole, size, patch)


def _cut(scores: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    left, _, top, _ = padding_of(*size, patch)
    return scores[:, top : top + size[0], left : left + size[1]]
