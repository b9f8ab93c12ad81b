"""Patches of an image found again in a view of it whose every pixel is known: a random homography."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MatchErrors:
    """Distances from where a patch's center truly lies in the view, as shares of the side, (n,) each.

    Attributes:
        found: of the center of the view's patch that is most alike.
        best: of the nearest center of any patch of the view: what the grid allows.
        same: of the center's own place: what not moving gives.
    """

    found: FloatArray
    best: FloatArray
    same: FloatArray


def random_homography(rng: np.random.Generator, side: int, shift: float) -> FloatArray:
    """(3, 3) homography of a square: each corner moves inwards by up to `shift` of the side along each axis."""
    corners = np.array([(0, 0), (side - 1, 0), (side - 1, side - 1), (0, side - 1)], dtype=np.float64)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    return homography_of(corners, corners + inwards * rng.uniform(0, shift * side, (4, 2)))


def homography_of(before: FloatArray, after: FloatArray) -> FloatArray:
    """(3, 3) homography that takes four points (4, 2) to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(before, after, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1.0).reshape(3, 3)


def mapped(homography: FloatArray, points: FloatArray) -> FloatArray:
    """(n, 2) places of points (n, 2)."""
    lifted = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ homography.T
    return lifted[:, :2] / lifted[:, 2:]


def patch_centers(high: int, wide: int, patch: int) -> FloatArray:
    """(high x wide, 2) centers (x, y) of patches, row by row, in pixels counted from 0."""
    rows, columns = np.divmod(np.arange(high * wide), wide)
    return np.stack([columns, rows], axis=1) * patch + (patch - 1) / 2


def match_errors(image: Tensor, view: Tensor, homography: FloatArray, patch: int) -> MatchErrors:
    """Every patch of an image that the view holds, matched with the view's most alike by cosine.

    Args:
        image: (h, w, D) patches of a square image.
        view: (h, w, D) patches of the image moved by the homography.
        homography: (3, 3), from the image's pixels to the view's.
        patch: side of a patch in pixels.
    """
    high, wide, dim = image.shape
    side, centers = high * patch, patch_centers(high, wide, patch)
    truth = mapped(homography, centers)
    inside = ((truth >= 0) & (truth <= side - 1)).all(1)
    alike = normalize(image.reshape(-1, dim)[torch.from_numpy(inside).to(image.device)], dim=1)
    nearest = (alike @ normalize(view.reshape(-1, dim), dim=1).T).argmax(1).cpu().numpy()
    truth = truth[inside]
    best = np.clip(np.floor((truth + 0.5) / patch), 0, high - 1) * patch + (patch - 1) / 2
    places = (centers[nearest], best, centers[inside])
    return MatchErrors(*(np.linalg.norm(each - truth, axis=1) / side for each in places))
