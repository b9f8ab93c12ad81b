"""Label propagation as DINOv3's notebook of segmentation tracking has it, for `davis@dinov3`.

What differs from DINO's: the window is a disc with its rim, frames are resized by Pillow with both sides rounded up to
whole patches, labels are reduced and enlarged by nearest, and a channel that is the same everywhere is not an object.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from dinobench.data.masks import Labels
from dinobench.data.transforms import normalize
from dinobench.evaluators.video_segmentation.propagation import TILE, LabelPropagator, Propagation, tokens_in_reach


class DiscPropagator(LabelPropagator):
    """Carries labels on from the first frame and a few before; `radius` is that of a disc, 0 means no window."""

    def propagate(self, target: Tensor, sources: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """Labels (h, w, C) of one frame from those of its context, tile by tile."""
        height, width = target.shape[:2]
        bank, values = torch.stack(tuple(sources)), torch.stack(tuple(labels))
        result = labels[0].new_empty(labels[0].shape)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                tile = target[top : top + TILE, left : left + TILE]
                mixed = _mixed_tile(tile, top, left, bank, values, self.settings)
                result[top : top + TILE, left : left + TILE] = mixed.reshape(*tile.shape[:2], -1)
        return result


def _mixed_tile(tile: Tensor, top: int, left: int, bank: Tensor, values: Tensor, settings: Propagation) -> Tensor:
    """(targets, C) labels of a square of targets; all sources that tie with the last of the nearest count."""
    height, width = bank.shape[1:3]
    radius = settings.radius or max(height, width)
    rows, *_ = tokens_in_reach(top, tile.shape[0], height, radius)
    columns, *_ = tokens_in_reach(left, tile.shape[1], width, radius)
    seen, known = bank[:, rows, columns].flatten(0, 2), values[:, rows, columns].flatten(0, 2)
    scores = tile.flatten(0, 1) @ seen.T
    if settings.radius:
        near = _within(tile.shape[:2], (top, left), rows, columns, settings.radius).to(tile.device)
        scores = scores.masked_fill(~near.repeat(1, len(bank)), -torch.inf)
    least = scores.topk(min(settings.topk, scores.shape[1]), dim=1).values[:, -1:]
    weights = torch.softmax(scores.masked_fill(scores < least, -torch.inf) / settings.temperature, dim=1)
    mixed = weights @ known
    return mixed / mixed.sum(1, keepdim=True)


def _within(shape: torch.Size, corner: tuple[int, int], rows: slice, columns: slice, radius: int) -> Tensor:
    """(targets, places): whether a place of the box lies in the disc round a target of the tile at `corner`."""
    targets = torch.cartesian_prod(*(start + torch.arange(side) for start, side in zip(corner, shape, strict=True)))
    places = torch.cartesian_prod(torch.arange(rows.start, rows.stop), torch.arange(columns.start, columns.stop))
    return (targets[:, None] - places).square().sum(-1) <= radius**2


def bicubic_frame(
    pixels: NDArray[np.uint8], size: tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Network input (3, H, W) of an RGB image (h, w, 3), resized by Pillow, bicubic."""
    return normalize(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC), mean, std)


def nearest_labels(labels: Labels, grid: tuple[int, int]) -> Tensor:
    """Labels (H, W) at the pixel in the middle of each token of `grid`, one-hot over all objects: (h, w, C)."""
    whole = torch.from_numpy(labels.astype(np.float32))[None, None]
    small = functional.interpolate(whole, grid, mode="nearest-exact")[0, 0].long()
    return functional.one_hot(small, int(labels.max()) + 1).float()


def stretched_labels(soft: Tensor, size: tuple[int, int]) -> Labels:
    """Object numbers at the frame's own size (H, W) of soft labels (h, w, C).

    Enlarged by nearest, each channel stretched to 0..1, the strongest; a channel that is the same everywhere is 0.
    """
    large = functional.interpolate(soft.permute(2, 0, 1)[None], size, mode="nearest")[0]
    low, high = large.amin((1, 2), keepdim=True), large.amax((1, 2), keepdim=True)
    numbers: Labels = torch.nan_to_num((large - low) / (high - low), nan=0.0).argmax(0).to(torch.uint8).cpu().numpy()
    return numbers
