"""Pictures of label masks for people: overlays, contact sheets, moving strips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from dinobench.data.masks import VOID, Labels, palette
from dinobench.data.picture_files import write_picture
from dinobench.runtime.files import atomic_path

GAP = 4
_OPACITY = 0.5
_LETTERS = 15  # pixels
_DARK = 30  # of 255


def overlay(pixels: NDArray[np.uint8], labels: Labels) -> NDArray[np.uint8]:
    """An RGB image (H, W, 3) tinted where `labels` (H, W) name an object, in the palette's colors, outlined in white.

    Void pixels stay as they are.
    """
    shown = (labels > 0) & (labels != VOID)
    tinted = pixels.copy()
    colors = palette()[labels[shown]]
    tinted[shown] = ((1 - _OPACITY) * pixels[shown] + _OPACITY * colors).astype(np.uint8)
    edge = np.zeros_like(shown)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    tinted[edge & (labels != VOID)] = 255
    return tinted


def outline(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An RGB image (H, W, 3) with one line around `mask` (H, W); the rest stays as it is.

    The line is two pixels wide, inside the mask, between two dark ones of one pixel: it stands out on light photographs
    as on dark ones.
    """
    image = Image.fromarray(mask.astype(np.uint8))
    around = np.asarray(image.filter(ImageFilter.MaxFilter(3))) > 0
    within, inner = (np.asarray(image.filter(ImageFilter.MinFilter(size))) > 0 for size in (5, 7))
    drawn = pixels.copy()
    drawn[around & ~inner] = _DARK
    drawn[mask & ~within] = color
    return drawn


def shrink(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """An RGB image reduced to at most `width` pixels across."""
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    if pixels.shape[1] <= width:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]], captions: Sequence[Sequence[str]] = ()) -> NDArray[np.uint8]:
    """Pictures (H, W, 3) in rows on white, each in a cell as large as the largest of them.

    Args:
        rows: the pictures.
        captions: words in the pictures' corners, row by row; rows may stop early.
    """
    high = max(picture.shape[0] for row in rows for picture in row) + GAP
    wide = max(picture.shape[1] for row in rows for picture in row) + GAP
    canvas = np.full((len(rows) * high + GAP, max(map(len, rows)) * wide + GAP, 3), 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = GAP + i * high, GAP + j * wide
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    corners = {(i, j): words for i, row in enumerate(captions) for j, words in enumerate(row)}
    return _write_caption(canvas, {(GAP + j * wide, GAP + i * high): words for (i, j), words in corners.items()})


def with_key(pixels: NDArray[np.uint8], names: Mapping[str, Sequence[int]]) -> NDArray[np.uint8]:
    """A picture (H, W, 3), and below it on white each name beside a square of its color, in lines as wide as it."""
    font, wide = ImageFont.load_default(_LETTERS), pixels.shape[1]
    line, x, y = _LETTERS + 2 * GAP, GAP, GAP
    places: list[tuple[int, int]] = []
    for name in names:
        length = _LETTERS + 5 * GAP + round(font.getlength(name))
        if places and x + length > wide:
            x, y = GAP, y + line
        places.append((x, y))
        x += length
    key = Image.new("RGB", (wide, y + line), "white")
    draw = ImageDraw.Draw(key)
    for (left, top), (name, color) in zip(places, names.items(), strict=True):
        draw.rectangle((left, top, left + _LETTERS, top + _LETTERS), fill=(color[0], color[1], color[2]))
        draw.text((left + _LETTERS + GAP, top - 1), name, fill="black", font=font)
    return np.concatenate([pixels, np.asarray(key)])


def _write_caption(pixels: NDArray[np.uint8], words: Mapping[tuple[int, int], str]) -> NDArray[np.uint8]:
    """White words on black, their upper left corner at (x, y)."""
    image = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(_LETTERS)
    for (left, top), line in words.items():
        _, _, right, bottom = draw.textbbox((left + 2, top + 1), line, font=font)
        draw.rectangle((left, top, right + 2, bottom + 2), fill="black")
        draw.text((left + 2, top + 1), line, fill="white", font=font)
    return np.asarray(image)


def save_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an RGB image (H, W, 3) as the suffix says: .png or .jpg."""
    kind = {".png": "PNG", ".jpg": "JPEG"}[path.suffix]
    with atomic_path(path) as temporary:
        write_picture(temporary, Image.fromarray(pixels), kind, quality=88)


def save_moving(path: Path, frames: Sequence[NDArray[np.uint8]], seconds: float) -> None:
    """Write RGB images of one size as an endless GIF, each shown for `seconds`.

    All share the colors found in about five of them, which is fast and does not flicker.
    """
    colors = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 5)])).quantize(256)
    first, *rest = (Image.fromarray(frame).quantize(palette=colors, dither=Image.Dither.NONE) for frame in frames)
    with atomic_path(path) as temporary:
        pace = round(1000 * seconds)
        write_picture(temporary, first, "GIF", save_all=True, append_images=rest, duration=pace, loop=0)
