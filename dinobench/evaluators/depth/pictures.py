"""Predicted depth beside the truth, in colors on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.overlays import save_picture, sheet
from dinobench.metrics.depth import DepthArray

SHOWN, WIDTH, COLUMNS = 12, 240, 4

Picture = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""(H, W, 3) pixels, true and predicted depth."""


def picture_of(image: NDArray[np.uint8], truth: DepthArray, predicted: DepthArray) -> Picture:
    """An image with its depths, in the colors of the truth's range, at the width of the sheet's columns."""
    size = (WIDTH, max(1, round(truth.shape[0] * WIDTH / truth.shape[1])))
    known = truth[truth > 0]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, float(predicted.max()))

    def colored(depth: DepthArray) -> NDArray[np.uint8]:
        small = np.asarray(Image.fromarray(depth).resize(size, Image.Resampling.NEAREST))
        level = np.clip(255 * (small - low) / max(high - low, 1e-6), 0, 255).astype(np.uint8)
        found = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
        return np.where((small > 0)[..., None], found, 0).astype(np.uint8)

    return np.asarray(Image.fromarray(image).resize(size)), colored(truth), colored(predicted)


def draw_sheet(path: Path, pictures: Sequence[Picture]) -> None:
    """Rows of images, below each the true depth and the predicted one; unknown depth is black."""
    rows, captions = [], []
    for start in range(0, len(pictures), COLUMNS):
        for kind, words in enumerate(("image", "true depth", "predicted")):
            rows.append([picture[kind] for picture in pictures[start : start + COLUMNS]])
            captions.append([words])
    save_picture(path, sheet(rows, captions))
