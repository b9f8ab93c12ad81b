"""AmsterTime's twin: drawn places, in color and as a grey, worn print of another section."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from dinobench.data import mini
from dinobench.data.twins._drawing import save_jpeg, save_png

_SIDE = 128


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 24 pairs (240 when not `small`)."""
    rng = np.random.default_rng([seed, 1231])
    for number in range(24 if small else 240):
        street = Image.fromarray(mini.draw(int(rng.integers(len(mini.CLASSES))), rng, _SIDE))
        left, top = (int(rng.integers(16)) for _ in range(2))
        archive = ImageOps.grayscale(street.crop((left, top, left + 112, top + 112)))
        worn = ImageEnhance.Contrast(archive).enhance(float(rng.uniform(0.6, 0.9))).convert("RGB")
        save_png(root / "new" / f"{number:04d}.png", np.asarray(street))
        save_jpeg(root / "old" / f"{number:04d}.jpg", np.asarray(worn), quality=60)
