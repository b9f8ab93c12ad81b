"""A photo cut to the square around its object, with the place in space of every pixel of the object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as VF

from dinobench.data.posed_views import PosedView, SeenView
from dinobench.data.transforms import resampling
from dinobench.runtime.errors import InputError


@dataclass(frozen=True, eq=False)
class Square:
    """What the network is shown of a view.

    Attributes:
        pixels: (S, S, 3).
        points: (S, S, 3) float32 x, y, z in meters before the camera, z 0 where the object is not.
        focal: length in pixels of this square.
    """

    pixels: NDArray[np.uint8]
    points: NDArray[np.float32]
    focal: float


def square_of(view: PosedView, seen: SeenView, side: int, reduced: int) -> Square:
    """The square of side `side`; everything is by nearest, so that pixels keep their depth, as in probe3d.

    Args:
        view: camera and files of a photo.
        seen: its pixels and their depth.
        side: of the square, in pixels.
        reduced: shorter side that the photo is first brought to.

    Raises:
        InputError: a depth map of another shape than the photo, or without two pixels of the object.
    """
    photo, counts = seen.photo, seen.counts
    if counts.shape != (photo.height, photo.width):
        raise InputError(
            f"depth map {view.depth} is {counts.shape[1]} x {counts.shape[0]}, its photo {photo.width} x "
            f"{photo.height}; give a map of the photo's size"
        )
    scale = reduced / min(photo.size)
    size = (int(photo.width * scale), int(photo.height * scale))
    pixels = np.asarray(photo.resize(size, resampling("bilinear")))
    # Pillow picks other pixels in images of 16 bits than in those of 32 where a scale is not whole
    shrunk = Image.fromarray(counts).resize(size, Image.Resampling.NEAREST)
    depth = seen.meters(np.asarray(shrunk).astype(np.float32))
    colors, distance = (_middle(torch.from_numpy(each), side) for each in (pixels.copy(), depth[..., None]))
    focal = view.focal * side / view.shorter
    points = _points(np.asarray(distance[..., 0], np.float32), focal)
    box = object_square(points[..., 2] > 0)
    if box is None:
        raise InputError(f"depth map {view.depth} has no two pixels of the object; check it")
    rows, columns = box
    cut = (colors[rows, columns], points[rows, columns])
    shown, placed = (cv2.resize(each, (side, side), interpolation=cv2.INTER_NEAREST) for each in cut)
    return Square(np.asarray(shown, np.uint8), np.asarray(placed, np.float32), focal * side / cut[0].shape[0])


def _middle(values: Tensor, side: int) -> NDArray[np.float32] | NDArray[np.uint8]:
    """(side, side, C) of values (H, W, C): the shorter side made `side` by nearest, the middle cut out."""
    resized = VF.resize(values.permute(2, 0, 1), [side], InterpolationMode.NEAREST)
    cut: NDArray[np.float32] = VF.center_crop(resized, [side, side]).permute(1, 2, 0).contiguous().numpy()
    return cut


def _points(depth: NDArray[np.float32], focal: float) -> NDArray[np.float32]:
    """(S, S, 3) of depths (S, S), the camera's axis through the middle."""
    places = np.arange(len(depth), dtype=np.float32) + np.float32(0.5 - 0.5 * len(depth))
    across, down = np.meshgrid(places, places)
    return np.stack([across * depth / focal, down * depth / focal, depth], axis=2).astype(np.float32)


def object_square(mask: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Rows and columns of a square around a mask (S, S), as probe3d cuts it; None where it has no extent.

    The object stands in the middle, or at the right and lower edge where that square would leave the image. The last
    row and column of the object are left out.
    """
    found = np.argwhere(mask)
    if not len(found):
        return None
    first, last = found.min(0), found.max(0)
    side = int((last - first).max())
    start = first - (side - (last - first)) // 2
    if (start < 0).any() or (start + side > mask.shape).any():
        start = np.clip(first - (side - (last - first)), 0, None)
    return (slice(start[0], start[0] + side), slice(start[1], start[1] + side)) if side else None
