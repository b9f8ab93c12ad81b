"""Points of one image found again in another by their features, and the shares of those that are found."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dinobench.metrics.bootstrap import REPEATS

FloatArray = NDArray[np.float64]
_PERCENTILES = (2.5, 97.5)


def match_points(source: Tensor, target: Tensor, points: Tensor, corner: bool) -> Tensor:
    """(n, 2) x and y in the target, as shares of its side, of the patch that is most alike to each point's features.

    Args:
        source: (h, w, D) patches of the image that has the points.
        target: (h, w, D) patches of the other one.
        points: (n, 2) x and y as shares of the image's side.
        corner: whether a patch stands for its upper left corner, as in probe3d, or for its middle.
    """
    one, other = (F.normalize(maps, dim=2) for maps in (source, target))
    grid = (points.to(one) * 2 - 1)[None, None]
    sampled = F.grid_sample(one.permute(2, 0, 1)[None], grid, mode="bilinear", align_corners=True)[0, :, 0]
    high, wide, _ = other.shape
    best = (other.reshape(high * wide, -1) @ sampled).argmax(0)
    places = torch.stack([best % wide, best // wide], 1).float() + (0.0 if corner else 0.5)
    return places / torch.tensor([wide, high], device=places.device)


def class_point_shares(hits: FloatArray, points: FloatArray, classes: NDArray[np.int64]) -> float:
    """Mean over classes of the share of their points that are found; hits, points and class of each pair, (N,) each."""
    found, there = np.bincount(classes, hits), np.bincount(classes, points)
    return float((found[there > 0] / there[there > 0]).mean())


def point_intervals(
    hits: FloatArray, points: FloatArray, classes: NDArray[np.int64], repeats: int = REPEATS, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95% intervals, when pairs are drawn again, of `class` (`class_point_shares`) and of `point`, the share of all."""
    rng, pairs = np.random.default_rng(seed), len(hits)
    drawn: dict[str, list[float]] = {"class": [], "point": []}
    for _ in range(repeats):
        weights = rng.multinomial(pairs, np.full(pairs, 1 / pairs)).astype(np.float64)
        drawn["class"].append(class_point_shares(weights * hits, weights * points, classes))
        drawn["point"].append(float(weights @ hits / (weights @ points)))
    edges = {name: np.percentile(values, _PERCENTILES) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in edges.items()}
