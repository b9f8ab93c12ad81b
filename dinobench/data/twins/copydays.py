"""Copydays' twin: drawn originals under real attacks: JPEG at nine qualities, nine crops, and strong edits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from dinobench.data import mini
from dinobench.data.twins._drawing import counted, save_jpeg

QUALITIES = (3, 5, 8, 10, 15, 20, 30, 50, 75)
CROPS = (10, 15, 20, 30, 40, 50, 60, 70, 80)
_SIZE = 256


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 20 originals with every block, 60 distractors and 60 whitening images.

    When not `small`, as many originals and strong copies as the real set (157 and 229), and 1,000 of the others.
    A strong copy's name begins with the four characters of its original's.
    """
    originals = counted(2, 20, 157, is_small=small)
    strong, others = counted(3, 30, 229, is_small=small), counted(4, 60, 1000, is_small=small)
    step = counted(len(QUALITIES) - 1, 1, 1, is_small=small)  # a rehearsal has the first and the last strength alone
    rng = np.random.default_rng([seed, 157])
    pictures = list(_draw_pictures(originals, rng))
    for number, picture in enumerate(pictures):
        name = f"{2000 + number}00.jpg"
        _save_picture(picture, root / "original" / name)
        for quality in QUALITIES[::step]:
            _save_picture(picture, root / "jpegqual" / str(quality) / name, quality)
        for share in CROPS[::step]:
            _save_picture(cropped(picture, share, rng), root / "crops" / str(share) / name)
    for number in range(strong):
        copy = edited(pictures[number % originals], rng)
        _save_picture(copy, root / "strong" / f"{2000 + number % originals}{number // originals + 1:02d}.jpg")
    for folder in ("distractors", "whitening"):
        for number, picture in enumerate(_draw_pictures(others, rng)):
            _save_picture(picture, root / folder / f"{number:06d}.jpg")


def cropped(picture: Image.Image, share: int, rng: np.random.Generator) -> Image.Image:
    """The picture less `share` percent of its area, cut from the sides at random."""
    side = np.sqrt(1 - share / 100)
    width, height = max(round(picture.width * side), 1), max(round(picture.height * side), 1)
    left, top = rng.integers(0, [picture.width - width + 1, picture.height - height + 1]).tolist()
    return picture.crop((left, top, left + width, top + height))


def edited(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A strong copy: print-and-scan-like turn and blur, changed tones, drawn over, mirrored now and then, cropped."""
    copy = picture.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC, fillcolor=(230, 230, 225))
    copy = copy.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.0)))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        copy = enhance(copy).enhance(rng.uniform(0.5, 1.5))
    pen = ImageDraw.Draw(copy)
    for _ in range(int(rng.integers(1, 5))):
        ends = rng.integers(0, min(copy.size), 4).tolist()
        pen.line(ends, fill=tuple(rng.integers(0, 256, 3).tolist()), width=int(rng.integers(2, 9)))
    if rng.random() < 0.2:
        copy = ImageOps.mirror(copy)
    return cropped(copy, int(rng.integers(10, 50)), rng)


def _draw_pictures(count: int, rng: np.random.Generator) -> Iterator[Image.Image]:
    """Scenes of three objects each, of varying height."""
    for _ in range(count):
        labels = rng.integers(0, len(mini.CLASSES), 3).tolist()
        height = int(rng.integers(_SIZE * 3 // 4, _SIZE + 1))
        yield Image.fromarray(mini.draw_with_masks(labels, rng, _SIZE)[0][:height])


def _save_picture(picture: Image.Image, path: Path, quality: int = 92) -> None:
    save_jpeg(path, np.asarray(picture), quality)
