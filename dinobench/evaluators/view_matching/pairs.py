"""Which views of an object are matched with which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dinobench.data.posed_views import PosedView
from dinobench.evaluators.view_matching.settings import Settings
from dinobench.metrics.surface_matches import turn_degrees

Pair = tuple[int, int]


def draw_pairs(views: Sequence[PosedView], settings: Settings, seed: int) -> tuple[list[Pair], int]:
    """Numbers of the two views of each pair, and how many views found no partner.

    One view in `every` asks for a partner: another view of the object, drawn among those within the largest angle.
    """
    groups: dict[str, list[int]] = {}
    for number, view in enumerate(views):
        groups.setdefault(view.thing, []).append(number)
    pairs, alone = [], 0
    for number in range(0, len(views), settings.every):
        others = [other for other in groups[views[number].thing] if other != number]
        angles = angles_between(views[number], [views[other] for other in others])
        near = [other for other, angle in zip(others, angles, strict=True) if angle <= settings.largest_angle]
        if near:
            pairs.append((number, int(np.random.default_rng([seed, number]).choice(near))))
        alone += not near
    return pairs, alone


def angles_between(view: PosedView, others: Sequence[PosedView]) -> NDArray[np.float64]:
    """(n,) degrees by which the camera turns from a view to others of the object."""
    if not others:
        return np.zeros(0)
    turned = np.stack([view.pose[:3, :3] @ other.pose[:3, :3].T for other in others])
    angles: NDArray[np.float64] = turn_degrees(torch.from_numpy(turned)).numpy()
    return angles
