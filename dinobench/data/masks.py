"""Label masks on disk: indexed PNGs whose pixel values are object numbers, and their palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.decode import fault_of, open_image
from dinobench.data.picture_files import write_picture
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path

Labels = NDArray[np.uint8]
VOID = 255
_COLORS = {"LA": 1, "RGB": 3, "RGBA": 3}  # channels without alpha
_LABEL_MODES = frozenset({"P", "L", "1"})


def palette() -> NDArray[np.uint8]:
    """(256, 3) colors of PASCAL VOC and DAVIS: the bits of a number, three at a time, from the top bit down."""
    numbers = np.arange(256)
    colors = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colors


def read_labels(path: Path, *, gray: bool = False, of: str = "object") -> Labels:
    """(H, W) pixel values of an indexed or grayscale image; with `gray` also of one that holds gray as more channels.

    `of` says in messages what the values number: an object, a class.

    Raises:
        InputError: the file is missing, cannot be decoded, or holds colors instead of numbers.
    """
    if not path.exists():
        raise InputError(f"no mask {path}; every scored frame needs one")
    try:
        with open_image(path) as image:
            mode, labels = image.mode, np.asarray(image, dtype=np.uint8)
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise anything on bad bytes
        raise InputError(f"cannot decode mask {path}: {fault_of(error)}, or fetch it again") from error
    if gray and labels.ndim == 3 and (labels[..., : _COLORS.get(mode, 4)] == labels[..., :1]).all():
        return labels[..., 0]
    if mode not in _LABEL_MODES:
        raise InputError(f"mask {path} is a {mode} image; {of} numbers need an indexed PNG")
    return labels


def write_labels(path: Path, labels: Labels) -> None:
    """Write (H, W) object numbers as an indexed PNG with the palette of PASCAL VOC and DAVIS."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(palette().tobytes())
    with atomic_path(path) as temporary:
        write_picture(temporary, image, "PNG")
