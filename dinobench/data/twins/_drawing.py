"""What twins share: how many images, which labels, and writing jpg and .mat files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data import mini
from dinobench.data.picture_files import write_picture
from dinobench.runtime.files import atomic_path

Images = Iterator[tuple[int, NDArray[np.uint8]]]


_FEW: ContextVar[bool] = ContextVar("few", default=False)
FEW_CLASSES = 4


@contextlib.contextmanager
def few_images() -> Iterator[None]:
    """Twins drawn inside have as few images as their tasks can do with, whatever else is asked for."""
    token = _FEW.set(True)
    try:
        yield
    finally:
        _FEW.reset(token)


def counted(few: int, small: int, large: int, *, is_small: bool) -> int:
    """How many of something a twin has, by its size."""
    return few if _FEW.get() else small if is_small else large


def images_per_class(small: bool) -> dict[str, int]:
    """Images of each class in each split of a twin."""
    return {"train": counted(2, 12, 200, is_small=small), "val": counted(1, 6, 50, is_small=small)}


def draw_split(split: str, classes: int, size: int, *, seed: int, small: bool) -> Images:
    """(label, (size, size, 3) image) of a split, classes in turn; "train" and "val" never share an image."""
    rng = np.random.default_rng([seed, ("train", "val").index(split), size])
    drawn = min(classes, counted(FEW_CLASSES, len(mini.CLASSES), len(mini.CLASSES), is_small=small))
    for position in range(drawn * images_per_class(small)[split]):
        label = position % drawn
        yield label, mini.draw(label, rng, size)


def save_jpeg(path: Path, pixels: NDArray[np.uint8], quality: int = 92) -> None:
    """Write (H, W, 3) pixels as a JPEG, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, Image.fromarray(pixels), "JPEG", quality=quality)


def save_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) pixels as a PNG, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, Image.fromarray(pixels), "PNG")


def save_mat(path: Path, variables: dict[str, Any]) -> None:
    """Write a MATLAB 5 file whole."""
    import scipy.io

    with atomic_path(path) as temporary:
        scipy.io.savemat(temporary, variables, appendmat=False)
