"""What layouts with a mask of classes for each image share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts._files import refuse_missing
from dinobench.data.masks import VOID, Labels, read_labels
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

UNKNOWN = 254  # in a table of classes: a value that no mask may hold


def masked_images(
    name: str, root: Path, names: Sequence[str], masks: Sequence[str], classes: Sequence[str], listed_in: Path
) -> ImageSet:
    """An unlabeled ImageSet whose `classes` are those of the masks' pixels.

    Raises:
        InputError: no image, or an image or a mask is missing; `listed_in` says where they were found.
    """
    refuse_missing(root, names, listed_in)
    refuse_missing(root, masks, listed_in)
    return from_files(name, root, names, [UNLABELED] * len(names), classes)


def table_of(values: Sequence[int], void: Sequence[int] = (VOID,)) -> NDArray[np.uint8]:
    """(256,) class of each pixel value: its place among `values`, void, or unknown."""
    table = np.full(256, UNKNOWN, dtype=np.uint8)
    table[list(void)] = VOID
    table[list(values)] = np.arange(len(values), dtype=np.uint8)
    return table


def read_classes(path: Path, table: NDArray[np.uint8]) -> Labels:
    """(H, W) classes from 0 on, 255 void, of a mask whose pixel values `table` maps.

    Raises:
        InputError: no such mask, it cannot be decoded, or holds values that stand for no class.
    """
    values = read_labels(path, of="class")
    labels: Labels = table[values]
    if (odd := np.unique(values[labels == UNKNOWN])).size:
        known = np.flatnonzero(table < UNKNOWN)
        raise InputError(
            f"mask {path} holds the values {first_few([str(value) for value in odd])}, which stand for no class "
            f"({known[0]} to {known[-1]} do); give masks of class numbers, not of colors or of objects"
        )
    return labels
