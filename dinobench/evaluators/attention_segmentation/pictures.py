"""Attention maps as pictures: per head, as masks, over the image, and all of them in a grid (Figures 1 and 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.overlays import overlay, save_picture, sheet, shrink

Picture = NDArray[np.uint8]
COLOR_MAP = "viridis"
GRID_WIDTH = 320


def heat(weights: NDArray[np.floating], shape: tuple[int, int]) -> Picture:
    """One map (h, w) in false colors from its lowest to its highest weight, enlarged to `shape` by nearest."""
    import matplotlib

    low, high = float(weights.min()), float(weights.max())
    scaled = (weights - low) / (high - low) if high > low else np.zeros_like(weights)
    colors = (255 * matplotlib.colormaps[COLOR_MAP](scaled)[..., :3]).round().astype(np.uint8)
    return np.asarray(Image.fromarray(colors).resize((shape[1], shape[0]), Image.Resampling.NEAREST))


def blend(pixels: Picture, weights: NDArray[np.floating]) -> Picture:
    """An image (H, W, 3) under a smooth, half transparent map (h, w)."""
    size = (pixels.shape[1], pixels.shape[0])
    small = heat(weights, (weights.shape[0], weights.shape[1]))
    smooth = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    mixed: Picture = ((pixels.astype(np.uint16) + smooth) // 2).astype(np.uint8)
    return mixed


def head_masks(pixels: Picture, masks: NDArray[np.bool_]) -> list[Picture]:
    """The image tinted where each head's mask (heads, H, W) is, one picture per head in colors of their own."""
    return [overlay(pixels, np.where(mask, number, 0).astype(np.uint8)) for number, mask in enumerate(masks, start=1)]


def draw_attention(
    folder: Path, pixels: Picture, weights: NDArray[np.floating], masks: NDArray[np.bool_]
) -> dict[str, Path]:
    """Write head_N.png, mask_N.png, overlay.png (mean over heads) and grid.png; returns their paths by name.

    Args:
        folder: made if need be.
        pixels: (H, W, 3) image.
        weights: (heads, h, w).
        masks: (heads, H, W).
    """
    shape = (pixels.shape[0], pixels.shape[1])
    maps, tinted = [heat(head, shape) for head in weights], head_masks(pixels, masks)
    mean = blend(pixels, weights.mean(axis=0))
    pictures = {"overlay": mean, "grid": attention_grid(pixels, mean, maps, tinted)}
    pictures |= {f"head_{number}": picture for number, picture in enumerate(maps)}
    pictures |= {f"mask_{number}": picture for number, picture in enumerate(tinted)}
    paths = {name: folder / f"{name}.png" for name in pictures}
    for name, picture in pictures.items():
        save_picture(paths[name], picture)
    return paths


def attention_grid(pixels: Picture, mean: Picture, maps: Sequence[Picture], masks: Sequence[Picture]) -> Picture:
    """First row: image and every head's map; second: mean over heads and every head's mask."""
    rows = [[pixels, *maps], [mean, *masks]]
    heads = range(len(maps))
    captions = [["image", *(f"head {number}" for number in heads)], ["mean", *(f"mask {number}" for number in heads)]]
    return sheet([[shrink(picture, GRID_WIDTH) for picture in row] for row in rows], captions)
