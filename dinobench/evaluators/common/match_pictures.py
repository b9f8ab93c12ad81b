"""Matched points, drawn on both images side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dinobench.data.overlays import save_picture, sheet

SHOWN, SIDE, COLUMNS, RADIUS = 12, 200, 3, 3


def picture_of(
    images: Sequence[NDArray[np.uint8]], points: Sequence[NDArray[np.float64]], found: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Two square images, with the points of the first in white, and where they were found in green or red.

    Args:
        images: (S, S, 3) each.
        points: (n, 2) of each, as shares of its side.
        found: (n,) whether near enough.
    """
    drawn = Image.new("RGB", (2 * SIDE, SIDE))
    for number, image in enumerate(images):
        drawn.paste(Image.fromarray(image).resize((SIDE, SIDE)), (number * SIDE, 0))
    draw = ImageDraw.Draw(drawn)
    for one, other, right in zip(*points, found.tolist(), strict=True):
        start, end = (tuple(SIDE * one), (SIDE + SIDE * other[0], SIDE * other[1]))
        color = "lime" if right else "red"
        draw.line((*start, *end), fill=color)
        for (x, y), fill in ((start, "white"), (end, color)):
            draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=fill)
    return np.asarray(drawn)


def draw_sheet(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """The pictures in rows."""
    rows = [pictures[start : start + COLUMNS] for start in range(0, len(pictures), COLUMNS)]
    save_picture(path, sheet(rows, [["green: found, red: not"]]))
