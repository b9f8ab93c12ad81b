"""Images of any number of channels: arrays, and image files with more bands than RGB."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageSequence

from dinobench.data.decode import fault_of, open_image
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import require_regular

ARRAY_SUFFIX = ".npy"
_MOST_GROWTH = 4000  # values for each byte of a file: deflate reaches 1,032, LZW 1,365


def read_channels(path: Path, channels: int) -> NDArray[np.uint8]:
    """(H, W, channels) of a .npy array of that shape, an image with so many bands (RGBA), or a TIFF with so many pages.

    Sixteen bits are scaled to eight, as everywhere in dinobench.

    Raises:
        InputError: the file cannot be read, or holds another number of channels or another type.
    """
    require_regular(path)
    try:
        # Mapped, an array that claims more than the file holds is refused before memory is taken.
        array = path.suffix == ARRAY_SUFFIX
        pixels = np.load(path, mmap_mode="r", allow_pickle=False) if array else _read_bands(path, channels)
    except Exception as error:  # damaged headers raise what tokenize, zipfile and Pillow raise
        raise InputError(f"cannot read {path}: {fault_of(error)}") from error
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 3 or pixels.shape[2] != channels:
        shape = getattr(pixels, "shape", "several arrays")
        raise InputError(f"{path} holds {shape} where (height, width, {channels}) is expected; set in_channels to fit")
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise InputError(f"{path} holds {pixels.dtype} where 8 or 16 bits without sign are expected; save it as uint8")
    return np.array(pixels, order="C")


def _read_bands(path: Path, channels: int) -> NDArray[np.uint8]:
    """Bands of all pages of an image file, page by page; at most one page more than `channels` asks for."""
    with open_image(path) as image:
        claimed = image.width * image.height * len(image.getbands())
        if claimed > _MOST_GROWTH * path.stat().st_size:
            raise ValueError(f"it claims {claimed} values in {path.stat().st_size} bytes, and is damaged")
        pages = [np.atleast_3d(np.asarray(page)) for page in islice(ImageSequence.Iterator(image), channels + 1)]
    return np.concatenate(pages, axis=2)
