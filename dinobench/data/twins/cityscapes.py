"""Cityscapes' twin: drawn streets of two cities with masks of the official ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.layouts.cityscapes import CLASSES
from dinobench.data.masks import write_labels
from dinobench.data.twins._drawing import save_png
from dinobench.data.twins._streets import draw_scene

_COUNTS = {"train": 8, "val": 4}
_GROUNDS = ("sky", "building", "road")
_OWN_CAR = 1  # an id that is not scored


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 8 and 4 scenes (ten times as many when not `small`), the own car's bonnet below."""
    rng = np.random.default_rng([seed, 19])
    others = [name for name in CLASSES if name not in _GROUNDS]
    ids = np.array([CLASSES[name] for name in (*_GROUNDS, *others)], dtype=np.uint8)
    for split, count in _COUNTS.items():
        for number in range(count if small else 10 * count):
            pixels, kinds = draw_scene(rng, 128, 64)
            labels = ids[kinds]
            labels[-5:] = _OWN_CAR
            city = "aachen" if number % 2 else "bochum"
            name = f"{city}_{number:06d}_000019"
            save_png(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", pixels)
            write_labels(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", labels)
