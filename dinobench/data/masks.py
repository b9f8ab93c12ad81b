"""Label masks on disk: indexed PNGs whose pixel values are object numbers, and their palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path

Labels = NDArray[np.uint8]
VOID = 255
_LABEL_MODES = frozenset({"P", "L", "1"})


def palette() -> NDArray[np.uint8]:
    """(256, 3) colors of PASCAL VOC and DAVIS: the bits of a number, three at a time, from the top bit down."""
    numbers = np.arange(256)
    colors = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colors


def read_labels(path: Path) -> Labels:
    """(H, W) pixel values of an indexed or grayscale image.

    Raises:
        InputError: the file is missing, cannot be decoded, or holds colors instead of numbers.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in _LABEL_MODES:
                raise InputError(f"mask {path} is a {image.mode} image; object numbers need an indexed PNG")
            return np.asarray(image, dtype=np.uint8)
    except FileNotFoundError as error:
        raise InputError(f"no mask {path}; every scored frame needs one") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"cannot decode mask {path}: {error}; fetch it again") from error


def write_labels(path: Path, labels: Labels) -> None:
    """Write (H, W) object numbers as an indexed PNG with the palette of PASCAL VOC and DAVIS."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(palette().tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")
