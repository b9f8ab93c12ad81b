"""An image as the network is shown it, with the depth of its pixels in meters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.dataset import ImageSet
from dinobench.data.registry import get_layout
from dinobench.data.transforms import resize_shorter_side
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.layout_readers import layout_reader
from dinobench.evaluators.depth.settings import Settings
from dinobench.metrics.depth import DepthArray
from dinobench.runtime.errors import InputError

_NYU_SIZE, _NYU_BOX = (640, 480), (43, 45, 608, 472)
_KITTI_SIZE = (1216, 352)
_LEAST_TYPICAL = 0.1  # meters

DepthReader = Callable[[ImageSet, int], DepthArray]
"""From a set and an index to (H, W) meters, 0 unknown."""


@dataclass(frozen=True)
class DepthFrame:
    """One image.

    Attributes:
        pixels: (H, W, 3) from 0 to 255, as the network is shown it.
        depth: (h, w) meters, 0 unknown; of these pixels in training, of the image's own in tests.
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    depth: DepthArray


def depth_reader(context: EvaluationContext[Settings], images: ImageSet) -> DepthReader:
    """The layout's depth maps in meters; says for the record how many values of a file are one meter.

    Raises:
        InputError: data whose layout has no depth maps.
    """
    read = layout_reader(context, images, "depth_counts", "no depth maps", "nyu or kitti")
    told = context.settings.per_meter
    per_meter = told or float(vars(get_layout(context.layout))["PER_METER"])
    said = f"depth files are read as {per_meter:g} to a meter, {'as set' if told else 'as the data set has them'}"
    if said not in context.notes:
        context.notes.append(said)
    return lambda images, index: read(images, index, told > 0) / np.float32(per_meter)


def note_range(context: EvaluationContext[Settings], images: ImageSet, depth: DepthArray) -> None:
    """Say what the first depth map holds, so that a wrong unit is seen."""
    known = depth[depth > 0]
    if not len(known):
        return
    line = f"the first depth map of {images.name} holds {known.min():.3g} to {known.max():.3g} meters"
    if np.median(known) < _LEAST_TYPICAL:
        line += "; if that is too little, say the files' unit: --set per_meter=1 for meters"
    context.notes.append(line)


def read_frame(images: ImageSet, index: int, read: DepthReader, settings: Settings, training: bool) -> DepthFrame:
    """An image and its depth, cut and resized; in training depth is resized too, by nearest.

    Raises:
        InputError: the two differ in size, or an image is smaller than what is cut from it.
    """
    image, depth, name = images.read(index), read(images, index), images.names[index]
    if depth.shape != (image.height, image.width):
        raise InputError(
            f"depth map of {name} is {depth.shape[1]} x {depth.shape[0]}, its image {image.width} x {image.height}; "
            "give a map of the image's size"
        )
    left, top, right, bottom = _box(
        image.size, settings.frame if training or settings.frame == "kitti" else "none", name
    )
    image, depth = image.crop((left, top, right, bottom)), depth[top:bottom, left:right]
    if settings.image_size:
        image = resize_shorter_side(image, settings.image_size, "bilinear")
        if training:
            depth = np.asarray(Image.fromarray(depth).resize(image.size, Image.Resampling.NEAREST))
    return DepthFrame(np.asarray(image), depth)


def _box(size: tuple[int, int], frame: str, name: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is kept of an image of (width, height)."""
    width, height = size
    if frame == "nyu":
        (left, top, right, bottom), (whole_width, whole_height) = _NYU_BOX, _NYU_SIZE
        columns = int(left / whole_width * width), int(right / whole_width * width)
        rows = int(top / whole_height * height), int(bottom / whole_height * height)
        return columns[0], rows[0], columns[1], rows[1]
    if frame == "none":
        return 0, 0, width, height
    if width < _KITTI_SIZE[0] or height < _KITTI_SIZE[1]:
        raise InputError(
            f"{name} is {width} x {height}, smaller than the {_KITTI_SIZE[0]} x {_KITTI_SIZE[1]} that are cut from it; "
            "give KITTI's own images, or --set frame=none"
        )
    left, top = (width - _KITTI_SIZE[0]) // 2, height - _KITTI_SIZE[1]
    return left, top, left + _KITTI_SIZE[0], top + _KITTI_SIZE[1]
