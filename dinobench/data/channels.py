"""Images of any number of channels: arrays, and image files with more bands than RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from dinobench.runtime.errors import InputError

ARRAY_SUFFIX = ".npy"


def read_channels(path: Path, channels: int) -> NDArray[np.uint8]:
    """(H, W, channels) of a .npy array of that shape, an image with so many bands (RGBA), or a TIFF with so many pages.

    Sixteen bits are scaled to eight, as everywhere in dinobench.

    Raises:
        InputError: the file cannot be read, or holds another number of channels or another type.
    """
    try:
        pixels = np.load(path, allow_pickle=False) if path.suffix == ARRAY_SUFFIX else _bands(path)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}; replace or remove it") from error
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 3 or pixels.shape[2] != channels:
        shape = getattr(pixels, "shape", "several arrays")
        raise InputError(f"{path} holds {shape} where (height, width, {channels}) is expected; set in_channels to fit")
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise InputError(f"{path} holds {pixels.dtype} where 8 or 16 bits without sign are expected; save it as uint8")
    return np.ascontiguousarray(pixels)


def _bands(path: Path) -> NDArray[np.uint8]:
    """Bands of all pages of an image file, page by page."""
    with Image.open(path) as image:
        pages = [np.atleast_3d(np.asarray(page)) for page in ImageSequence.Iterator(image)]
    return np.concatenate(pages, axis=2)
