"""Points of a surface in one view matched with those of another by their features, and where these lie."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_ROWS = 2048  # points that are compared with all others at once
_LEAST = 1e-9  # of distances, as in probe3d


def ratio_matches(source: Tensor, target: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Rows of `source` and of `target` of the matches that stand out most, best first.

    Each row of `source` goes with the row of `target` that is nearest by cosine; it stands out by one minus the ratio
    of that distance to the next one's.

    Args:
        source: (n, D) features.
        target: (m, D) features, m of at least 2.
        count: how many matches, at most n.
    """
    one, other = (F.normalize(rows, dim=1) for rows in (source, target))
    best, indices = [], []
    for rows in torch.split(one, _ROWS):
        found = (rows @ other.T).topk(2, dim=1)
        best.append(found.values)
        indices.append(found.indices[:, 0])
    distances = (1 - torch.cat(best)).clamp(min=_LEAST)
    chosen = (1 - distances[:, 0] / distances[:, 1]).topk(min(count, len(one))).indices
    return chosen, torch.cat(indices)[chosen]


def moved(points: Tensor, pose: Tensor) -> Tensor:
    """(n, 3) points under a pose (4, 4)."""
    return points @ pose[:3, :3].T + pose[:3, 3]


def projected(points: Tensor, focal: float) -> Tensor:
    """(n, 2) pixels from the middle of the image of points (n, 3) before the camera."""
    return focal * points[:, :2] / points[:, 2:].clamp(min=_LEAST)


def turn_degrees(rotations: Tensor) -> Tensor:
    """(n,) angle in degrees by which rotations (n, 3, 3) turn."""
    trace = rotations.diagonal(dim1=1, dim2=2).sum(1)
    return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
