"""The one front to the feature store: something computed once for every image, shared between processes, resumed.

Processes that want the same rows share the work: each fills the shards that no other holds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from dinobench.features.entry import Entry
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import Column
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.console import announce, notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.launch import launched
from dinobench.runtime.processes import look_for_failures
from dinobench.runtime.stamp import current_time

_WAIT_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class FeatureBatch:
    """Features of a few images.

    Attributes:
        indices: (b,) int64, which images.
        columns: for each column asked for, (b, D) or (b, h, w, D) on the CPU.
        unreadable: one line per image that could not be decoded, by index.
    """

    indices: NDArray[np.int64]
    columns: dict[Column, Tensor]
    unreadable: dict[int, str]

    def image_count(self) -> int:
        """How many images were tried, those that could not be decoded included."""
        return len(self.indices) + len(self.unreadable)


@dataclasses.dataclass(frozen=True)
class RowRequest:
    """Which rows are wanted.

    Attributes:
        identity: everything that the values depend on; JSON can hold it. Its digest names the entry.
        about: names for listings: "name" of the model, "data".
        names: of the N images.
        columns: what stands side by side in a row.
        shard_rows: images per file, where the entry is new; what a killed process loses at most.
    """

    identity: Mapping[str, Any]
    about: Mapping[str, Any]
    names: Sequence[str]
    columns: tuple[Column, ...]
    shard_rows: Callable[[], int]

    @property
    def key(self) -> str:
        """Name of the entry's folder."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:20]

    def description(self) -> dict[str, Any]:
        """What the entry says of itself."""
        own = {"images": len(self.names), "shard_rows": self.shard_rows(), "created": current_time()}
        return {**self.identity, **self.about, **own}


def stored_rows(
    request: RowRequest,
    compute: Callable[[Claims], Iterator[FeatureBatch]],
    *,
    folder: Path | None = None,
    readable: Callable[[int], bool] = lambda index: False,
) -> FeatureMatrix:
    """The rows of a request, computed as far as they are not in the store yet.

    Args:
        request: what is wanted.
        compute: from claimed shards to their batches, one shard after the other as they are claimed; within a shard in
            any order, every image once, as a row or as unreadable.
        folder: of the store.
        readable: whether an image that could not be read before can be read now.

    Returns:
        One row per readable image, on disk.

    Raises:
        InputError: no image at all, features that are not finite, or a disk that is full.
    """
    data = request.about.get("data", "the data")
    if not request.names:
        raise InputError(f"{data} holds no image; check it")
    place = (folder or cache_folder("features")) / request.key
    entry = Entry.open(place) or Entry.create(place, request.description())
    entry.note_use()
    entry.forget_unreadable(readable)
    for path in entry.discard_damaged(map(str, request.columns)):
        notice(f"{path} is damaged (its checksum differs from the one written); computing it again")
    waited = False
    while missing := _in_rank_order([shard for shard in entry.shards if not entry.has(shard, request.columns)]):
        if _fill_shards(Claims(entry, missing, request.columns), compute, request.names):
            continue
        if not waited:
            announce(f"another process computes features of {data} by {request.about.get('name')}; waiting for it")
        waited = True
        look_for_failures()  # the shard may be held by a process of another run
        time.sleep(_WAIT_SECONDS)
    return entry.matrix(request.columns)


def _in_rank_order(shards: list[int]) -> list[int]:
    """Each of several processes starts at its own place, so that they seldom meet."""
    number, count = launched()
    first = number * len(shards) // count
    return shards[first:] + shards[:first]


class Claims:
    """Shards that this process fills: claimed one by one as it comes to them, held until they are written.

    Attributes:
        missing: number of images of each shard that was not there at the start.
    """

    def __init__(self, entry: Entry, shards: list[int], columns: tuple[Column, ...]) -> None:
        self.entry, self.columns, self.filled = entry, columns, 0
        self.missing = [len(entry.rows(shard)) for shard in shards]
        self._shards, self._held = shards, deque[tuple[int, FileLock]]()

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Indices of the images of every shard that could be claimed."""
        for shard in self._shards:
            lock = self.entry.lock(shard)
            if lock is None:
                continue
            if self.entry.has(shard, self.columns):  # filled since we looked
                lock.release()
                continue
            self._held.append((shard, lock))
            yield self.entry.rows(shard)

    @property
    def first(self) -> int:
        """The shard whose batches come next."""
        return self._held[0][0]

    def release_first(self) -> None:
        """The first shard is written."""
        self._held.popleft()[1].release()
        self.filled += 1

    def release_all(self) -> None:
        """Give back what was not filled."""
        while self._held:
            self._held.popleft()[1].release()


def _fill_shards(claims: Claims, compute: Callable[[Claims], Iterator[FeatureBatch]], names: Sequence[str]) -> int:
    """Fill the shards that no other process holds; returns how many."""
    pending: list[FeatureBatch] = []
    try:
        for batch in compute(claims):
            pending.append(batch)
            if sum(len(part.indices) + len(part.unreadable) for part in pending) == len(
                claims.entry.rows(claims.first)
            ):
                _write_shard(claims.entry, claims.first, pending, claims.columns, names)
                claims.release_first()
                pending = []
    finally:
        claims.release_all()
    return claims.filled


def _write_shard(
    entry: Entry, shard: int, batches: list[FeatureBatch], columns: tuple[Column, ...], names: Sequence[str]
) -> None:
    images = entry.rows(shard)
    unreadable = {index: line for batch in batches for index, line in batch.unreadable.items()}
    arrays = {column: _rows_of(batches, column, int(images[0]), len(images)) for column in columns}
    for whole in arrays.values():
        refuse_unusable(whole, lambda row: names[int(images[row])])
    entry.write(shard, arrays, unreadable)


def refuse_unusable(rows: NDArray[np.floating], name_of: Callable[[int], str]) -> None:
    """Refuse features (N, ...) that say nothing: not finite, or so large that their length is not.

    Raises:
        InputError: names the first image.
    """
    flat = rows.reshape(len(rows), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.einsum("nd,nd->n", flat, flat, dtype=np.float32)
    if not len(bad := np.flatnonzero(~np.isfinite(lengths))):
        return
    what = "too large to be compared" if np.isfinite(rows[bad]).all() else "not finite"
    raise InputError(
        f"the model's features of {len(bad)} images are {what}, first {name_of(int(bad[0]))}; check its weights"
    )


def _rows_of(batches: list[FeatureBatch], column: Column, first: int, images: int) -> NDArray[np.floating]:
    """One column of a shard, (images, ...), zero where an image could not be read."""
    found = [(batch.indices - first, batch.columns[column].numpy()) for batch in batches if len(batch.indices)]
    if not found:
        return np.zeros((images, 0), np.float32)
    _, sample = found[0]
    whole = np.zeros((images, *sample.shape[1:]), sample.dtype)
    for rows, values in found:
        whole[rows] = values
    return whole
