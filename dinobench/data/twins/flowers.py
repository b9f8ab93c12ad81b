"""Flowers-102's twin: jpg/, imagelabels.mat with labels from 1, setid.mat; only the first classes are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data import mini
from dinobench.data.twins._drawing import draw_split, save_jpeg, save_mat

_SIZE = 96


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw the twin under `root`; the drawn training images are shared between trnid and valid."""
    labels: list[int] = []
    ids: dict[str, list[int]] = {"train": [], "val": []}
    for split, members in ids.items():
        for label, pixels in draw_split(split, len(mini.CLASSES), _SIZE, seed=seed, small=small):
            labels.append(label + 1)
            members.append(len(labels))
            save_jpeg(root / f"jpg/image_{len(labels):05d}.jpg", pixels)
    half = len(ids["train"]) // 2
    parts = {"trnid": ids["train"][:half], "valid": ids["train"][half:], "tstid": ids["val"]}
    save_mat(root / "setid.mat", {name: np.array(numbers, dtype=np.uint16) for name, numbers in parts.items()})
    save_mat(root / "imagelabels.mat", {"labels": np.array(labels, dtype=np.uint8)})
