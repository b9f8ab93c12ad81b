"""One box for the main object of an image, from the keys of its patches: LOST, TokenCut, DSS; and how boxes overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.linalg import eigh
from torch import Tensor
from torch.nn.functional import normalize

BoolArray = NDArray[np.bool_]
BoxArray = NDArray[np.float64]
"""(n, 4) left, top, right, bottom, the last two beyond the last pixel."""


@dataclass(frozen=True)
class ObjectPatches:
    """What was taken for the object.

    Attributes:
        mask: (h, w) bool, the patches of the object, which hang together.
        seed: (row, column) of the patch that it was grown from.
    """

    mask: BoolArray
    seed: tuple[int, int]

    def box(self, patch: int, height: int, width: int) -> BoxArray:
        """(4,) box in pixels of an image of this size; patches that reach beyond it are cut."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        right, bottom = patch * (columns[-1] + 1), patch * (rows[-1] + 1)
        return np.array([patch * columns[0], patch * rows[0], min(right, width), min(bottom, height)], np.float64)


def lost_object(keys: Tensor, k: int = 100) -> ObjectPatches:
    """LOST (Siméoni et al. 2021): grown from the patch that is like the fewest others.

    Patches are alike where the inner product of their keys is positive. The seed is the patch with the fewest alike;
    those of the k patches with the fewest that are like the seed speak with it; the object are the patches whose
    products with them sum to more than zero, as far as they hang together with the seed.

    Args:
        keys: (h, w, D).
        k: patches that may join the seed.
    """
    flat = keys.flatten(0, 1)
    products = flat @ flat.T
    alike = products.clone().fill_diagonal_(0) > 0
    order = torch.argsort(-alike.sum(1).float(), descending=True)
    seed, first = order[0], order[:k]
    joined = first[products[seed, first] > 0]
    grown = (products[joined].sum(0) > 0).view(keys.shape[:2]).cpu().numpy()
    return _around(grown, int(seed), keys.shape[1])


def cut_object(keys: Tensor, threshold: float = 0.2, weak: float = 1e-5) -> ObjectPatches:
    """TokenCut (Wang et al. 2022): the side of a normalized cut on which the most extreme patch lies.

    Patches whose keys have a cosine above `threshold` are joined by an edge of weight 1, all others by one of `weak`.
    The second smallest eigenvector of the graph's normalized Laplacian is cut at its mean.

    Args:
        keys: (h, w, D).
        threshold: of the cosine, tau of the paper.
        weak: weight of the other edges.
    """
    unit = normalize(keys.flatten(0, 1), dim=1)
    weights = np.where((unit @ unit.T).cpu().numpy() > threshold, 1.0, weak)
    degrees = np.diag(weights.sum(1))
    _, vectors = eigh(degrees - weights, degrees, subset_by_index=[1, 2])
    vector = vectors[:, 0]
    side = vector > vector.sum() / len(vector)
    seed = int(np.argmax(np.abs(vector)))
    side = side if side[seed] else ~side
    return _around(side.reshape(keys.shape[:2]), seed, keys.shape[1])


def spectral_object(keys: Tensor) -> ObjectPatches:
    """Deep spectral methods (Melas-Kyriazi et al. 2022), by features alone: the smaller side of a cut at zero.

    Patches are joined by the cosine of their keys where it is positive. The second smallest eigenvector of the graph's
    normalized Laplacian is cut at zero; the object is the largest part, hanging together by sides or corners, of the
    side that holds fewer patches. Its seed is its first patch.

    Args:
        keys: (h, w, D).
    """
    unit = normalize(keys.flatten(0, 1), dim=1)
    weights = (unit @ unit.T).clamp(min=0).double().cpu().numpy()
    weights /= weights.max()
    degrees = np.diag(weights.sum(1))
    _, vectors = eigh(degrees - weights, degrees, subset_by_index=[1, 1])
    side = (vectors[:, 0] > 0).reshape(keys.shape[:2])
    if not side.any() or 0.5 < side.mean() < 1:
        side = ~side
    parts, count = ndimage.label(side, np.ones((3, 3)))
    largest = parts == 1 + int(np.argmax(ndimage.sum_labels(side, parts, range(1, count + 1))))
    row, column = np.argwhere(largest)[0]
    return ObjectPatches(largest, (int(row), int(column)))


def _around(mask: BoolArray, seed: int, width: int) -> ObjectPatches:
    """The part of a mask (h, w) that hangs together, by sides, with the patch of number `seed`; it alone if outside."""
    place = divmod(seed, width)
    if not mask[place]:
        alone = np.zeros_like(mask)
        alone[place] = True
        return ObjectPatches(alone, place)
    parts, _ = ndimage.label(mask)
    return ObjectPatches(parts == parts[place], place)


def box_ious(box: BoxArray, others: BoxArray) -> NDArray[np.float64]:
    """(n,) intersection over union of one box (4,) with others (n, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    overlaps: NDArray[np.float64] = common / np.maximum(areas - common, 1e-12)
    return overlaps
