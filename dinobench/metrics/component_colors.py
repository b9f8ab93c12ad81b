"""Patches of several images as pictures: principal components as colors, and likeness to one patch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
_EDGES = (2, 98)  # percentiles of a component that become its darkest and its brightest


def principal_components(rows: Tensor, count: int) -> FloatArray:
    """(n, count) coordinates of rows (n, D) along the directions of largest variance, the largest first.

    Each direction points to where its largest coordinate lies, so that the same rows give the same signs.
    """
    centered = rows.double() - rows.double().mean(0)
    _, vectors = torch.linalg.eigh(centered.T @ centered)
    found: FloatArray = (centered @ vectors.flip(1)[:, :count]).cpu().numpy()
    return found * np.where(found.max(0) >= -found.min(0), 1.0, -1.0)


def foregrounds(maps: Sequence[Tensor]) -> list[BoolArray]:
    """(h, w) of each image's map (h, w, D): the side of the first component's zero that the borders hold less of.

    One component serves all images.
    """
    first = _unjoined(principal_components(_joined(maps), 1)[:, 0], maps)
    edges = np.concatenate([np.concatenate([each[0], each[-1], each[:, 0], each[:, -1]]) for each in first])
    return [each > 0 if (edges > 0).mean() <= 0.5 else each < 0 for each in first]


def component_colors(maps: Sequence[Tensor], shown: Sequence[BoolArray] | None = None) -> list[NDArray[np.uint8]]:
    """(h, w, 3) colors of each image's map (h, w, D): red, green and blue are the first three components of all.

    Args:
        maps: of one width D, at least 3.
        shown: (h, w) of each image, the patches that the components are found from and shown for; others are black.
    """
    rows = _joined(maps)
    chosen = np.ones(len(rows), bool) if shown is None else np.concatenate([each.ravel() for each in shown])
    colors = np.zeros((len(rows), 3))
    if chosen.sum() > 1:
        found = principal_components(rows[torch.from_numpy(chosen).to(rows.device)], 3)
        low, high = np.percentile(found, _EDGES, axis=0)
        colors[chosen] = np.clip((found - low) / np.maximum(high - low, 1e-12), 0, 1)
    return [np.rint(255 * each).astype(np.uint8) for each in _unjoined(colors, maps)]


def likeness(patch: Tensor, maps: Sequence[Tensor]) -> list[FloatArray]:
    """(h, w) cosine of each patch of each map (h, w, D) with one patch (D,)."""
    unit = normalize(patch.double(), dim=0)
    return [(normalize(each.double(), dim=2) @ unit).cpu().numpy() for each in maps]


def _joined(maps: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.flatten(0, 1) for each in maps])


def _unjoined(values: FloatArray, maps: Sequence[Tensor]) -> list[FloatArray]:
    """Values (n, ...) of the patches of all maps, as one (h, w, ...) for each."""
    edges = np.cumsum([each.shape[0] * each.shape[1] for each in maps])[:-1]
    parts = np.split(values, edges)
    return [part.reshape(*each.shape[:2], *values.shape[1:]) for part, each in zip(parts, maps, strict=True)]
