"""Test sets of ImageNet's classes as twins: the classes of ImageNet's twin, drawn in other ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dinobench.data import mini
from dinobench.data.imagenet_classes import wnids
from dinobench.data.twins._drawing import save_jpeg

SIDE = 160
_APART = 60  # classes of ImageNet from one of a twin to the next


def wnid_of(label: int) -> str:
    """The class of ImageNet that a drawn class stands for."""
    return wnids()[_APART * label]


def row_of(label: int) -> int:
    """Its number among ImageNet's classes."""
    return _APART * label


def draw_test_set(root: Path, seed: int, small: bool, name_of: Callable[[int], str] = wnid_of) -> None:
    """ROOT/<class>/*.jpg: 3 images of each class, or 50 when not `small`.

    Args:
        root: where to.
        seed: of the drawing.
        small: few images.
        name_of: from a drawn class to the name of its folder.
    """
    for label, number, pixels in drawn_images([seed, 31], 3 if small else 50):
        save_jpeg(root / name_of(label) / f"{number}.jpg", pixels)


def drawn_images(seeds: Sequence[int], count: int) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Class, number and (SIDE, SIDE, 3) pixels of `count` images of each class, one class after the other."""
    rng = np.random.default_rng(seeds)
    for label in range(len(mini.CLASSES)):
        for number in range(count):
            yield label, number, mini.draw(label, rng, SIDE)


def sketched(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) pixels as dark lines on white."""
    edges = Image.fromarray(pixels).convert("L").filter(ImageFilter.FIND_EDGES)
    return np.asarray(Image.eval(edges, lambda value: 255 - min(255, 3 * value)).convert("RGB"))


def foggy(pixels: NDArray[np.uint8], severity: int) -> NDArray[np.uint8]:
    """(H, W, 3) pixels under a veil of white, thicker from severity 1 to 5."""
    veil = 0.12 * severity
    found: NDArray[np.uint8] = np.rint((1 - veil) * pixels + veil * 255).astype(np.uint8)
    return found
