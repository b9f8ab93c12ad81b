"""Descriptors of images of varying size in the feature store: computed once, shared between processes, resumed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dinobench.features.entry import Entry
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import Column
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.console import notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.stamp import now

COLUMN = Column("descriptor")
SHARD_ROWS = 512
"""Small, for an image of retrieval costs many times one of classification, and so that processes can share."""

_WAIT_SECONDS = 0.2

Compute = Callable[[NDArray[np.int64]], Iterator[tuple[NDArray[np.int64], Tensor]]]


def stored_descriptors(
    identity: Mapping[str, Any],
    about: Mapping[str, Any],
    images: int,
    compute: Compute,
    *,
    folder: Path | None = None,
    shard_rows: int = SHARD_ROWS,
) -> FeatureMatrix:
    """The descriptors that `identity` names, computed as far as they are not in the store yet.

    Processes that want the same ones share the work: each fills the shards that no other holds.

    Args:
        identity: everything that the values depend on; JSON can hold it.
        about: names for listings: "name" of the model, "data".
        images: number N of images.
        compute: from indices to (indices, (b, D) descriptors) in any order, every index once.
        folder: of the store.
        shard_rows: images per file.

    Returns:
        (N, D), on disk.

    Raises:
        InputError: no image, descriptors that are not finite, or a full disk.
    """
    if not images:
        raise InputError(f"{about.get('data', 'the data')} holds no image; check it")
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]
    description = {**identity, **about, "images": images, "shard_rows": shard_rows, "created": now()}
    entry = Entry.create((folder or cache_folder("features")) / key, description)
    entry.note_use()
    for path in entry.discard_damaged([str(COLUMN)]):
        notice(f"{path} is damaged (its checksum differs from the one written); computing it again")
    while missing := [shard for shard in entry.shards if not entry.has(shard, (COLUMN,))]:
        if not sum(_fill_shard(entry, shard, compute) for shard in missing):
            time.sleep(_WAIT_SECONDS)
    return entry.matrix((COLUMN,))


def _fill_shard(entry: Entry, shard: int, compute: Compute) -> bool:
    """Compute a shard unless another process holds it; whether it is there now."""
    lock = entry.lock(shard)
    if lock is None:
        return False
    try:
        if not entry.has(shard, (COLUMN,)):
            entry.write(shard, {COLUMN: _gather_rows(compute, entry.rows(shard))}, {})
    finally:
        lock.release()
    return True


def _gather_rows(compute: Compute, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    parts = list(compute(indices))
    order = np.argsort(np.concatenate([found for found, _ in parts]))
    rows: NDArray[np.float32] = np.concatenate([part.numpy() for _, part in parts])[order]
    if not np.isfinite(rows).all():
        raise InputError("the model's descriptors are not finite, or zero before normalization; check its weights")
    return rows
