"""What layouts with boxes of objects share."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts._files import read_lines, refuse_missing, require
from dinobench.data.layouts._walk import subfolders
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes

Boxes = NDArray[np.float64]
"""(n, 4) left, top, right, bottom in pixels, the last two beyond the last pixel."""
_LARGEST_XML = 2**20


def as_boxes(rows: Sequence[Sequence[Any]], where: str, shift: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Boxes:
    """(n, 4) of lists of four numbers, `shift` added; InputError where they are no numbers or a side is not above 0."""
    try:
        boxes: Boxes = np.array(rows, dtype=np.float64).reshape(-1, 4) + np.array(shift)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} holds a box that is not four numbers; fetch the file again") from error
    if len(boxes) != len(rows) or not (np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()):
        raise InputError(f"{where} holds a box without extent; fetch the file again")
    return boxes


def open_voc(root: Path, split: str, year: str) -> ImageSet:
    """The photos of a split of PASCAL VOC's detection task, unlabeled.

    Raises:
        InputError: no list of ids, or a photo or its annotation is missing.
    """
    base = voc_folder(root, year)
    listing = base / "ImageSets" / "Main" / f"{split}.txt"
    ids = [line.split()[0] for line in read_lines(listing)]
    names = [f"JPEGImages/{name}.jpg" for name in ids]
    refuse_missing(base, names, listing)
    refuse_missing(base, [f"Annotations/{name}.xml" for name in ids], listing)
    return from_files(f"voc{year[2:]}/{split}", base, names, [UNLABELED] * len(names), ())


def voc_boxes(images: ImageSet, index: int) -> Boxes:
    """Boxes of all objects of a photo; the files count pixels from 1, with both edges within."""
    path = _annotation_of(images, images.names[index])
    data = read_bytes(require(path), _LARGEST_XML)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise InputError(f"{path} declares entities, which annotations never do; fetch it again")
    try:
        found = ElementTree.fromstring(data).findall("object/bndbox")
    except ElementTree.ParseError as error:
        raise InputError(f"{path} is not readable XML: {error}; fetch it again") from error
    rows = [[box.findtext(name) for name in ("xmin", "ymin", "xmax", "ymax")] for box in found]
    return as_boxes(rows, str(path), (-1, -1, 0, 0))


def voc_annotations(images: ImageSet) -> list[Path]:
    """The file of boxes of each photo."""
    return [_annotation_of(images, name) for name in images.names]


def _annotation_of(images: ImageSet, name: str) -> Path:
    assert images.root is not None  # `open_voc` sets it
    return images.root / "Annotations" / f"{Path(name).stem}.xml"


def voc_folder(root: Path, year: str) -> Path:
    """The folder VOC<year> at, below or above `root`."""
    inner = Path("VOCdevkit", f"VOC{year}")
    below = [root / name / part for name in subfolders(root) for part in (inner, inner.name)]
    candidates = (root / inner, root / inner.name, root, *below)
    return next((path for path in candidates if (path / "ImageSets" / "Main").is_dir()), candidates[0])


@lru_cache(maxsize=2)
def read_box_table(path: Path, columns: int) -> dict[str, Boxes]:
    """Boxes of each image of a table: its name, then other columns, then four numbers with both edges within.

    Args:
        path: a text file, one box a line, columns apart by tabs.
        columns: how many a line has.

    Raises:
        InputError: a line with other columns, or a box that is none.
    """
    rows: dict[str, list[list[str]]] = {}
    for number, line in enumerate(read_lines(path), 1):
        parts = line.split("\t")
        if len(parts) != columns:
            raise InputError(f"line {number} of {path} has {len(parts)} columns where {columns} are expected")
        rows.setdefault(parts[0], []).append(parts[-4:])
    return {name: as_boxes(boxes, str(path), (0, 0, 1, 1)) for name, boxes in rows.items()}
