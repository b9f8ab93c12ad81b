"""What layouts with a depth map for each image share: lists of pairs, and reading of 16-bit maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.decode import fault_of, open_image
from dinobench.data.layouts._files import read_lines, refuse_missing
from dinobench.runtime.errors import InputError

Counts = NDArray[np.float32]
"""(H, W) values of a depth file as they stand there; 0 where depth is unknown."""
NO_DEPTH = "None"
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


def pairs_of(listing: Path) -> dict[str, str]:
    """Depth map of each image of a list (an image, its depth map, and perhaps the focal length, a line).

    Images without a depth map, of which the list says None, are left out. A slash at the front means the data's folder.

    Raises:
        InputError: no such list, or a line without two names.
    """
    return _pairs_at(listing, listing.stat().st_mtime_ns if listing.is_file() else 0)


@lru_cache(maxsize=4)
def _pairs_at(listing: Path, changed: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(listing), 1):
        parts = line.split()
        if len(parts) not in (2, 3):
            raise InputError(
                f"line {number} of {listing} has {len(parts)} words; give an image, its depth map, and perhaps the "
                "focal length"
            )
        if parts[1] != NO_DEPTH:
            found[parts[0].lstrip("/")] = parts[1].lstrip("/")
    return dict(sorted(found.items()))


def paired_images(
    name: str, root: Path, images: Sequence[str], depths: Sequence[str], listing: Path, notes: Sequence[str] = ()
) -> ImageSet:
    """An unlabeled ImageSet; InputError where an image or a depth map of the list is missing."""
    refuse_missing(root, images, listing)
    refuse_missing(root, depths, listing)
    return from_files(name, root, images, [UNLABELED] * len(images), (), notes)


def read_counts(path: Path, eight_bits: bool = False) -> Counts:
    """The values of a depth map: of 16 bits, or of floating point.

    Args:
        path: of a PNG or TIFF with one channel.
        eight_bits: whether a map of 8 bits is taken too.

    Raises:
        InputError: the file is missing, cannot be decoded, has colors or too few bits, or holds values that are none.
    """
    if not path.exists():
        raise InputError(f"no depth map {path}; every image needs one")
    try:
        with open_image(path) as image:
            mode, values = image.mode, np.asarray(image).astype(np.float32)
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise anything on bad bytes
        raise InputError(f"cannot decode depth map {path}: {fault_of(error)}, or fetch it again") from error
    if mode == "L" and not eight_bits:
        raise InputError(
            f"depth map {path} has 8 bits where 16 are expected; if it is one, say what a value stands for: "
            "--set per_meter=25.5 for 255 at 10 meters"
        )
    if mode not in _SIXTEEN_BIT | {"F", "L"}:
        raise InputError(f"depth map {path} is a {mode} image; give a gray one of 16 bits")
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(
            f"depth map {path} holds values that are not finite or below 0; write 0 where depth is unknown"
        )
    return values
