"""CIFAR-10's twin: five train batches, a test batch and the class names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dinobench.data import mini
from dinobench.data.twins._cifar import draw_batch, save_pickle

CLASSES = 10


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw the twin under `root`/cifar-10-batches-py."""
    folder = root / "cifar-10-batches-py"
    train = draw_batch("train", CLASSES, "labels", seed=seed, small=small)
    for number in range(5):
        save_pickle(folder / f"data_batch_{number + 1}", _every_fifth(train, number))
    save_pickle(folder / "test_batch", draw_batch("val", CLASSES, "labels", seed=seed, small=small))
    save_pickle(folder / "batches.meta", {"label_names": list(mini.CLASSES[:CLASSES]), "num_vis": 3072})


def _every_fifth(batch: dict[str, Any], start: int) -> dict[str, Any]:
    return {key: values[start::5] for key, values in batch.items()}
