"""Predictions beside the truth, as tinted images on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dinobench.data.masks import VOID, Labels
from dinobench.data.overlays import overlay, save_picture, sheet
from dinobench.evaluators.segmentation.frames import resize_labels

SHOWN, WIDTH, COLUMNS = 12, 240, 6

Picture = tuple[np.ndarray, Labels, Labels]
"""(H, W, 3) pixels, and the true and the predicted classes (H, W)."""


def picture_of(image: Image.Image, truth: Labels, predicted: Labels) -> Picture:
    """An image and its classes, all at the width of the sheet's columns."""
    size = (WIDTH, max(1, round(image.height * WIDTH / image.width)))
    return np.asarray(image.resize(size)), resize_labels(truth, size), resize_labels(predicted, size)


def draw_sheet(path: Path, pictures: Sequence[Picture]) -> None:
    """Rows of truth, and below each the prediction; every class in its color, void untouched."""
    above = [_tinted(pixels, truth) for pixels, truth, _ in pictures]
    below = [_tinted(pixels, predicted) for pixels, _, predicted in pictures]
    rows = [
        row
        for start in range(0, len(above), COLUMNS)
        for row in (above[start : start + COLUMNS], below[start : start + COLUMNS])
    ]
    save_picture(path, sheet(rows, [["truth"], ["predicted"]] * (len(rows) // 2)))


def _tinted(pixels: np.ndarray, labels: Labels) -> np.ndarray:
    """Class n in color n + 1, since color 0 is not a tint."""
    return overlay(pixels, np.where(labels == VOID, VOID, labels + 1).astype(np.uint8))
