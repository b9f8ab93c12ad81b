"""CamVid's twin: drawn streets with class masks in the tree of SegNet's authors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.layouts.camvid import VOID_VALUE
from dinobench.data.masks import write_labels
from dinobench.data.twins._drawing import save_jpeg
from dinobench.data.twins._streets import draw_scene
from dinobench.runtime.files import write_text_atomically

_COUNTS = {"train": 12, "val": 6, "test": 6}
_SIZE = (120, 90)


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 12, 6 and 6 scenes (ten times as many when not `small`), with a void strip below."""
    rng = np.random.default_rng([seed, 11])
    for split, count in _COUNTS.items():
        lines = []
        for number in range(count if small else 10 * count):
            pixels, kinds = draw_scene(rng, *_SIZE)
            labels = np.minimum(kinds, VOID_VALUE - 1)
            labels[-4:] = VOID_VALUE
            image, mask = f"{split}/0001_{number:05d}.jpg", f"{split}annot/0001_{number:05d}.png"
            save_jpeg(root / image, pixels)
            write_labels(root / mask, labels)
            lines.append(f"{image} {mask}\n")
        write_text_atomically(root / f"{split}.txt", "".join(lines))
