"""CIFAR-100's twin: one train and one test file with fine and coarse labels; only the first classes are drawn."""

from __future__ import annotations

from pathlib import Path

from dinobench.data import mini
from dinobench.data.twins._cifar import draw_batch, save_pickle

CLASSES = 100


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw the twin under `root`/cifar-100-python."""
    folder = root / "cifar-100-python"
    for split, file in (("train", "train"), ("val", "test")):
        batch = draw_batch(split, CLASSES, "fine_labels", seed=seed, small=small)
        save_pickle(folder / file, {**batch, "coarse_labels": [label // 5 for label in batch["fine_labels"]]})
    others = [f"undrawn {number}" for number in range(len(mini.CLASSES), CLASSES)]
    coarse = [f"group {number}" for number in range(CLASSES // 5)]
    save_pickle(folder / "meta", {"fine_label_names": [*mini.CLASSES, *others], "coarse_label_names": coarse})
