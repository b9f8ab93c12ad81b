"""Predictions beside the truth, as tinted images on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dinobench.data.masks import VOID, Labels, palette
from dinobench.data.overlays import overlay, save_picture, sheet, with_key
from dinobench.evaluators.segmentation.frames import resize_labels

SHOWN, WIDTH, COLUMNS = 12, 240, 6
_FIRST = 1  # color of class 0 in the palette, whose own color 0 is not a tint

Picture = tuple[np.ndarray, Labels, Labels]
"""(H, W, 3) pixels, and the true and the predicted classes (H, W)."""


def picture_of(image: Image.Image, truth: Labels, predicted: Labels) -> Picture:
    """An image and its classes, all at the width of the sheet's columns."""
    size = (WIDTH, max(1, round(image.height * WIDTH / image.width)))
    return np.asarray(image.resize(size)), resize_labels(truth, size), resize_labels(predicted, size)


def draw_sheet(path: Path, pictures: Sequence[Picture], classes: Sequence[str]) -> None:
    """Rows of truth, and below each the prediction; every class in its color, void untouched.

    The classes that are seen stand below with their colors.
    """
    above = [_tinted(pixels, truth) for pixels, truth, _ in pictures]
    below = [_tinted(pixels, predicted) for pixels, _, predicted in pictures]
    rows = [
        row
        for start in range(0, len(above), COLUMNS)
        for row in (above[start : start + COLUMNS], below[start : start + COLUMNS])
    ]
    seen = np.unique(np.concatenate([np.unique(each) for picture in pictures for each in picture[1:]]))
    colors = palette().tolist()
    key = {classes[number]: colors[number + _FIRST] for number in seen.tolist() if number != VOID}
    save_picture(path, with_key(sheet(rows, [["truth"], ["predicted"]] * (len(rows) // 2)), key))


def _tinted(pixels: np.ndarray, labels: Labels) -> np.ndarray:
    return overlay(pixels, np.where(labels == VOID, VOID, labels + _FIRST).astype(np.uint8))
