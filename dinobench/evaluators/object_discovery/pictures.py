"""Boxes that were found, on their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dinobench.data.overlays import overlay, save_picture, sheet
from dinobench.metrics.object_box import BoolArray, BoxArray

SHOWN, WIDTH, COLUMNS = 24, 220, 6
_FOUND, _TRUE = "red", "cyan"  # white is the edge of what was taken for the object


def picture_of(image: Image.Image, mask: BoolArray, box: BoxArray, truth: BoxArray) -> NDArray[np.uint8]:
    """An image with the object's patches tinted, the objects' boxes in cyan and the box that was found in red.

    Args:
        image: as it is.
        mask: (h, w) patches of the image, which may have been resized and padded.
        box: (4,) that was found, in the image's pixels.
        truth: (n, 4) of the objects.
    """
    scale = WIDTH / image.width
    small = image.resize((WIDTH, max(1, round(image.height * scale))))
    tall = max(1, round(mask.shape[0] / mask.shape[1] * WIDTH))
    tint = Image.fromarray(mask.astype(np.uint8)).resize((WIDTH, tall), Image.Resampling.NEAREST)
    canvas = Image.new("L", small.size)
    canvas.paste(tint)
    drawn = Image.fromarray(overlay(np.asarray(small), np.asarray(canvas)))
    draw = ImageDraw.Draw(drawn)
    for each, color, width in (*((true, _TRUE, 2) for true in truth), (box, _FOUND, 2)):
        left, top, right, bottom = (scale * each).tolist()
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=color, width=width)
    return np.asarray(drawn)


def draw_sheet(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """The pictures in rows."""
    rows = [pictures[start : start + COLUMNS] for start in range(0, len(pictures), COLUMNS)]
    save_picture(path, sheet(rows, [[f"{_FOUND}: found", f"{_TRUE}: objects"]]))
