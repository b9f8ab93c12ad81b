"""From a block's tokens to one descriptor per image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from dinobench.models.networks.backbone import Features
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown

Pooling = Callable[[Features], Tensor]

RMAC_LEVELS = 3
RMAC_OVERLAP = 0.4


def find_pooling(name: str, gem_power: float = 4.0) -> Pooling:
    """How to describe an image: names joined by "+" are concatenated, as in "cls+gem".

    Args:
        name: of "cls" (class token, or a convnet's pooled output), "gem", "mean", "max", "rmac".
        gem_power: exponent of "gem".

    Raises:
        InputError: another name, or an exponent that is not above 0.
    """
    poolings: dict[str, Pooling] = {
        "cls": lambda features: features.cls,
        "gem": lambda features: gem(features.patches, gem_power),
        "mean": lambda features: features.patches.mean(dim=(1, 2)),
        "max": lambda features: features.patches.amax(dim=(1, 2)),
        "rmac": lambda features: rmac(features.patches),
    }
    for part in name.split("+"):
        if part not in poolings:
            raise unknown("pooling", part, poolings)
    if "gem" in name.split("+") and not gem_power > 0:
        raise InputError(f"gem_power = {gem_power} must be above 0; the tasks use 3 or 4")
    chosen = [poolings[part] for part in name.split("+")]
    return lambda features: torch.cat([pool(features) for pool in chosen], dim=1)


def gem(patches: Tensor, power: float = 4.0, floor: float = 1e-6) -> Tensor:
    """Generalized mean over the grid (Radenovic et al. 2018): (B, h, w, D) -> (B, D).

    Activations below `floor` are lifted to it, so negative ones are as good as absent.
    """
    return patches.clamp(min=floor).pow(power).mean(dim=(1, 2)).pow(1 / power)


def rmac(patches: Tensor, levels: int = RMAC_LEVELS) -> Tensor:
    """Sum of the l2-normalized maxima of the map and of square regions (Tolias et al. 2016): (B, h, w, D) -> (B, D)."""
    return region_maxima(patches, levels).sum(dim=1)


def region_maxima(patches: Tensor, levels: int = RMAC_LEVELS) -> Tensor:
    """L2-normalized maxima of the map and of its square regions on `levels` levels: (B, h, w, D) -> (B, R, D)."""
    height, width = patches.shape[1:3]
    regions = [patches]
    for level in range(1, levels + 1):
        side = max(1, 2 * min(height, width) // (level + 1))
        for top in _region_starts(height, width, side, level):
            regions += [
                patches[:, top : top + side, left : left + side] for left in _region_starts(width, height, side, level)
            ]
    return functional.normalize(torch.stack([region.amax(dim=(1, 2)) for region in regions], dim=1), dim=2)


def _region_starts(length: int, other: int, side: int, level: int) -> list[int]:
    """Where a level's regions begin along an axis of `length`; `other` is the length of the other axis."""
    last = level + _extra_regions(length, other) - 1
    return [index * (length - side) // max(last, 1) for index in range(last + 1)]


def _extra_regions(length: int, other: int) -> int:
    """How many more regions the longer axis takes, so that neighbors of level 1 overlap by 40% as nearly as can be."""
    if length <= other:
        return 0
    return min(range(1, 7), key=lambda extra: abs(1 - (length - other) / (extra * other) - RMAC_OVERLAP))
