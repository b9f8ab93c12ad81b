"""What may be wrong with the queries of a retrieval set: their boxes, and whether the database holds them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet
from dinobench.data.layouts.revisitop import GroundTruth
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

_LEAST_INSIDE = 0.5  # share of a box that lies in the image; annotators' boxes pass the edge by a few pixels


def query_boxes(truth: GroundTruth, images: ImageSet) -> NDArray[np.float64]:
    """(queries, 4) boxes to crop to.

    Raises:
        InputError: a query has no box, one in fractions of the image, or one that lies mostly outside; named.
    """
    if np.isnan(truth.boxes).any():
        raise InputError("the ground truth gives no box for some queries; score with a protocol that does not crop")
    for index, box in enumerate(truth.boxes):
        width, height = images.read(index).size
        fault = _box_fault(box, width, height)
        if fault:
            shown = ", ".join(f"{side:g}" for side in box)
            raise InputError(
                f"the box of query {index}, {truth.queries[index]}, is {shown}, {fault} of {width} x {height} pixels; "
                "boxes are left, top, right, bottom in pixels of the query image"
            )
    return truth.boxes


def _box_fault(box: NDArray[np.float64], width: int, height: int) -> str:
    if box.min() >= 0 and box.max() <= 1:
        return "in fractions of the image"
    left, top, right, bottom = np.clip(box, 0, (width, height, width, height))
    share = (right - left) * (bottom - top) / ((box[2] - box[0]) * (box[3] - box[1]))
    return "outside the image" if share < _LEAST_INSIDE else ""


def queries_in_database(truth: GroundTruth, database: ImageSet, queries: ImageSet) -> str:
    """One line that counts the queries whose image is in the database and not ignored as junk; empty for none."""
    found = [
        name
        for name, rows, groups in zip(truth.queries, _same_files(database, queries), truth.judged, strict=True)
        if set(rows) - set(groups["junk"].tolist())
    ]
    if not found:
        return ""
    return (
        f"{len(found)} of {len(truth.queries)} queries are images of the database and not listed as junk: "
        f"{first_few(found)}; each finds itself, and counts as the official kit counts it"
    )


def _same_files(database: ImageSet, queries: ImageSet) -> list[list[int]]:
    """Per query, the rows of the database whose file has the same bytes."""
    if database.root is None or queries.root is None:
        return [[] for _ in queries.names]
    by_size: dict[int, list[int]] = defaultdict(list)
    for row, name in enumerate(database.names):
        by_size[(database.root / name).stat().st_size].append(row)
    found = []
    for name in queries.names:
        path = queries.root / name
        rows = by_size.get(path.stat().st_size, [])
        digest = _file_digest(path) if rows else b""
        found.append([row for row in rows if _file_digest(database.root / database.names[row]) == digest])
    return found


def _file_digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
