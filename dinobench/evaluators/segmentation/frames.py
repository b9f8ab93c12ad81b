"""An image as the network is shown it, with the classes of its pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.dataset import ImageSet
from dinobench.data.decode import image_size
from dinobench.data.masks import VOID, Labels
from dinobench.data.transforms import resampling
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.layout_readers import layout_reader
from dinobench.evaluators.segmentation.settings import FrameSettings
from dinobench.evaluators.segmentation.sizes import shown_size
from dinobench.features.preparation import padding_of
from dinobench.runtime.errors import InputError

MaskReader = Callable[[ImageSet, int], Labels]


@dataclass(frozen=True)
class Frame:
    """One image.

    Attributes:
        pixels: (H, W, 3) uint8, as the network is shown it.
        labels: (H, W) classes of these pixels, 255 void.
        truth: the classes that a prediction is compared with: `labels`, or those of the image's own pixels.
    """

    pixels: NDArray[np.uint8]
    labels: Labels
    truth: Labels


def mask_reader(context: EvaluationContext[Any], images: ImageSet) -> MaskReader:
    """The layout's function from a set and an index to (H, W) classes.

    Raises:
        InputError: data whose layout has no masks of classes.
    """
    layouts = "camvid, voc12_classes, ade20k or cityscapes (`dinobench data check camvid` prints the tree for your own)"
    lacks = "no mask of classes for its images"
    read: MaskReader = layout_reader(context, images, "class_labels", lacks, layouts)
    return read


def read_masked(images: ImageSet, index: int, read: MaskReader) -> tuple[Image.Image, Labels]:
    """An RGB image and its (H, W) classes; InputError where they differ in size."""
    image, labels = images.read(index), read(images, index)
    _refuse_other_size(images.names[index], labels, image.size)
    return image, labels


def read_mask(images: ImageSet, index: int, read: MaskReader) -> Labels:
    """The (H, W) classes of an image of which the header alone is read; InputError where they differ in size."""
    labels = read(images, index)
    _refuse_other_size(images.names[index], labels, image_size(images.files()[index]))
    return labels


def _refuse_other_size(name: str, labels: Labels, size: tuple[int, int]) -> None:
    if labels.shape != size[::-1]:
        raise InputError(
            f"mask of {name} is {labels.shape[1]} x {labels.shape[0]}, its image {size[0]} x {size[1]}; "
            "give a mask of the image's size"
        )


def read_frame(images: ImageSet, index: int, read: MaskReader, settings: FrameSettings) -> Frame:
    """An image and its classes, resized; classes by nearest, so that they stay classes."""
    image, labels = read_masked(images, index, read)
    size = shown_size(image.size, settings)
    resized = np.asarray(image.resize(size, resampling(settings.interpolation)))
    shown = resize_labels(labels, size)
    return Frame(resized, shown, shown if settings.square else labels)


def resize_labels(labels: Labels, size: tuple[int, int]) -> Labels:
    """(H, W) classes at another (width, height), by nearest."""
    return np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))


def patch_labels(labels: Labels, patch: int) -> Labels:
    """(h * w, patch^2) classes of the pixels of each patch; pixels that pad the image are void."""
    left, right, top, bottom = padding_of(labels.shape[0], labels.shape[1], patch)
    padded = np.pad(labels, ((top, bottom), (left, right)), constant_values=VOID)
    high, wide = padded.shape[0] // patch, padded.shape[1] // patch
    return padded.reshape(high, patch, wide, patch).swapaxes(1, 2).reshape(high * wide, patch * patch)
