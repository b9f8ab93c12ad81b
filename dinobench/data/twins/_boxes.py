"""Boxes of drawn objects, as annotation files hold them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinobench.data import mini
from dinobench.data.masks import Labels


def draw_objects(rng: np.random.Generator, size: int) -> tuple[NDArray[np.uint8], Labels, list[int]]:
    """A drawn image of one to three objects, at least one in sight.

    Returns:
        The image (H, size, 3), the objects' numbers (H, size), and the class of each that is in sight, by number.
    """
    mask: Labels = np.zeros((size, size), dtype=np.uint8)
    height = int(rng.integers(size * 3 // 4, size + 1))
    while not mask[:height].any():
        labels = rng.integers(0, len(mini.CLASSES), rng.integers(1, 4))
        pixels, mask = mini.draw_with_masks(labels.tolist(), rng, size)
    mask = mask[:height]
    return pixels[:height], mask, [int(labels[number - 1]) for number in np.unique(mask[mask > 0])]


def boxes_of(mask: Labels) -> list[tuple[int, int, int, int]]:
    """(left, top, right, bottom) of each object of a mask (H, W), the last two beyond its last pixel."""
    boxes = []
    for number in np.unique(mask[mask > 0]):
        rows, columns = np.nonzero(mask == number)
        boxes.append((int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1))
    return boxes


def voc_annotation(identity: str, mask: Labels) -> str:
    """The XML of a photo of PASCAL VOC: pixels counted from 1, both edges within."""
    objects = "".join(
        f"<object><name>thing</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for left, top, right, bottom in boxes_of(mask)
    )
    size = f"<size><width>{mask.shape[1]}</width><height>{mask.shape[0]}</height><depth>3</depth></size>"
    return f"<annotation><filename>{identity}.jpg</filename>{size}{objects}</annotation>\n"
