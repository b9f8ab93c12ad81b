"""Tiny-ImageNet's twin: images of 64 pixels with a box for the object of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data import mini
from dinobench.data.twins._boxes import boxes_of
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_SIZE, _CLASSES = 64, 4


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 4 and 2 images of each of 4 classes (ten times as many when not `small`)."""
    rng, times = np.random.default_rng([seed, 200]), 1 if small else 10
    tested: list[str] = []
    for label in range(_CLASSES):
        wnid = f"n{label:08d}"
        rows = [
            _write_image(root / "train" / wnid / "images", f"{wnid}_{number}", label, rng)
            for number in range(4 * times)
        ]
        write_text_atomically(root / "train" / wnid / f"{wnid}_boxes.txt", "".join(rows))
        for number in range(2 * times):
            name, *box = _write_image(root / "val" / "images", f"val_{label}_{number}", label, rng).split("\t")
            tested.append("\t".join([name, wnid, *box]))
    write_text_atomically(root / "val" / "val_annotations.txt", "".join(tested))


def _write_image(folder: Path, stem: str, label: int, rng: np.random.Generator) -> str:
    """Draw one image with its object in sight; its line of the table, both edges within."""
    mask = np.zeros((_SIZE, _SIZE), dtype=np.uint8)
    while not mask.any():
        pixels, mask = mini.draw_with_masks([label], rng, _SIZE)
    save_jpeg(folder / f"{stem}.JPEG", pixels)
    left, top, right, bottom = boxes_of(mask)[0]
    return f"{stem}.JPEG\t{left}\t{top}\t{right - 1}\t{bottom - 1}\n"
