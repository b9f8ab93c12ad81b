"""Stanford Cars' twin: two image folders and the .mat devkit with boxes; only the first of 196 classes are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.data import mini
from dinobench.data.twins._drawing import draw_split, save_jpeg, save_mat

CLASSES = 196
_SIZE = 96
_BOX = (5, 5, _SIZE - 4, _SIZE - 4)
_FIELDS = [("bbox_x1", "O"), ("bbox_y1", "O"), ("bbox_x2", "O"), ("bbox_y2", "O"), ("class", "O"), ("fname", "O")]


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw the twin under `root`."""
    listings = {"train": "devkit/cars_train_annos.mat", "val": "cars_test_annos_withlabels.mat"}
    for split, listing in listings.items():
        folder = root / ("cars_train" if split == "train" else "cars_test")
        rows = []
        for position, (label, pixels) in enumerate(draw_split(split, CLASSES, _SIZE, seed=seed, small=small), start=1):
            rows.append((*_BOX, label + 1, f"{position:05d}.jpg"))
            save_jpeg(folder / f"{position:05d}.jpg", pixels)
        save_mat(root / listing, {"annotations": np.array(rows, dtype=_FIELDS)})
    names = [*mini.CLASSES, *(f"undrawn {number}" for number in range(len(mini.CLASSES), CLASSES))]
    save_mat(root / "devkit/cars_meta.mat", {"class_names": _cell_array(names)})


def _cell_array(names: list[str]) -> NDArray[np.object_]:
    """A MATLAB cell array of strings."""
    cells = np.empty(len(names), dtype=object)
    cells[:] = names
    return cells
