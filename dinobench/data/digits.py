"""`digits`: scikit-learn's 1,797 real handwritten digits, enlarged from 8 to 32 pixels."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.runtime.errors import InputError

SIZE = 32
_FIRST_VAL = 1437  # the file is ordered by writer: the last fifth was written by people whom train has not seen


def open_digits(split: str) -> ImageSet:
    """Split "train" (1,437 images) or "val" (360, of other writers); (N, 32, 32, 3) in memory.

    Raises:
        InputError: another split.
    """
    parts = {"train": slice(0, _FIRST_VAL), "val": slice(_FIRST_VAL, None)}
    if split not in parts:
        raise InputError(f"digits has no split '{split}'; choose train or val")
    pixels, labels = _load_digits()
    chosen = range(len(labels))[parts[split]]
    names = [f"digits/{index:04d}" for index in chosen]
    classes = [str(digit) for digit in range(10)]
    return from_arrays(f"digits/{split}", pixels[chosen.start : chosen.stop], labels[parts[split]], classes, names)


@cache
def _load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    large = [Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB") for image in small]
    return np.stack([np.asarray(image) for image in large]), bunch.target.astype(np.int64)
