"""The content-addressed feature store: every (weights, preprocessing, precision, data) is extracted once.

Processes that want the same features share the work: each fills the shards that no other holds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet
from dinobench.data.manifest import manifest_of
from dinobench.features.entry import Entry
from dinobench.features.extract import Extractor, FeatureBatch, feature_batches
from dinobench.features.loading import in_chunks
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import Column, parse_feature
from dinobench.models.loading.spec import LoadedBackbone
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.console import notice, progress
from dinobench.runtime.errors import InputError
from dinobench.runtime.launch import launched
from dinobench.runtime.precision import check_precision
from dinobench.runtime.stamp import now

SHARD_ROWS = 4096  # what a killed extraction loses at most
_WAIT_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class ExtractionSettings:
    """How features are computed; only the precision is part of their identity."""

    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)
    batch_size: int = 64
    workers: int = 0
    precision: str = "fp32"
    compiled: bool = False


class FeatureStore:
    """A folder of entries, one per model and image set."""

    def __init__(self, folder: Path | None = None, shard_rows: int = SHARD_ROWS) -> None:
        self.folder = folder or cache_folder("features")
        self.shard_rows = shard_rows

    def features(
        self,
        model: LoadedBackbone,
        images: ImageSet,
        feature: str = "cls",
        settings: ExtractionSettings | None = None,
        manifest: str | None = None,
    ) -> FeatureMatrix:
        """The features of every image, extracted as far as they are not here yet.

        Args:
            model: whose features.
            images: N images.
            feature: see `dinobench.features.names`.
            settings: device, batch size, decoding threads, precision.
            manifest: digest of `images` where the caller has it.

        Raises:
            InputError: no image at all, features that are not finite, or a disk that is full.
        """
        if not len(images):
            raise InputError(f"{images.name} holds no image; check the data")
        settings = settings or ExtractionSettings()
        check_precision(settings.precision)
        columns = parse_feature(feature)
        entry = self._entry_of(model, images, settings.precision, manifest or manifest_of(images).sha256)
        channels = len(model.preprocessing.mean)
        entry.forget_unreadable(lambda index: _is_readable(images, index, channels))
        for path in entry.discard_damaged(map(str, columns)):
            notice(f"{path} is damaged (its checksum differs from the one written); extracting it again")
        self._fill_entry(entry, model, images, columns, settings)
        return entry.matrix(columns)

    def entries(self) -> list[Entry]:
        """All readable entries, by folder name."""
        folders = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [entry for folder in folders if (entry := Entry.open(folder)) is not None]

    def _entry_of(self, model: LoadedBackbone, images: ImageSet, precision: str, manifest: str) -> Entry:
        identity = {"model": model.identity, "precision": precision, "manifest": manifest}
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]
        about = {
            "name": model.name,
            "architecture": model.architecture,
            "weights": model.sha256,
            "preprocessing": dataclasses.asdict(model.preprocessing),
            "data": images.name,
            "images": len(images),
            "shard_rows": self.shard_rows,
            "created": now(),
        }
        entry = Entry.create(self.folder / key, {**identity, **about})
        entry.note_use()
        return entry

    def _fill_entry(
        self,
        entry: Entry,
        model: LoadedBackbone,
        images: ImageSet,
        columns: tuple[Column, ...],
        how: ExtractionSettings,
    ) -> None:
        waited = False
        while missing := _in_rank_order([shard for shard in entry.shards if not entry.has(shard, columns)]):
            network = Extractor(model.backbone, model.preprocessing, columns, how.device, how.precision, how.compiled)
            if not _fill_shards(entry, network, images, missing, how) and not waited:
                notice(f"another process is extracting features of {images.name} by {model.name}; waiting for it")
                waited = True
            if waited:
                time.sleep(_WAIT_SECONDS)


def _is_readable(images: ImageSet, index: int, channels: int) -> bool:
    try:
        images.pixels(index, channels)
    except InputError:
        return False
    return True


def _in_rank_order(shards: list[int]) -> list[int]:
    """Each of several processes starts at its own place, so that they seldom meet."""
    number, count = launched()
    first = number * len(shards) // count
    return shards[first:] + shards[:first]


def _fill_shards(entry: Entry, network: Extractor, images: ImageSet, shards: list[int], how: ExtractionSettings) -> int:
    """Fill those of `shards` that no other process holds; returns how many."""
    claims = _Claims(entry, shards, network.columns, how.batch_size)
    batches = feature_batches(network, images, claims.chunks(), how.workers)
    total = sum(-(-len(entry.rows(shard)) // how.batch_size) for shard in shards)
    pending: list[FeatureBatch] = []
    try:
        for batch in progress(batches, f"features of {images.name}", total):
            pending.append(batch)
            if sum(len(part.indices) + len(part.unreadable) for part in pending) == len(entry.rows(claims.first)):
                _write(entry, claims.first, pending, network.columns, images)
                claims.release_first()
                pending = []
    finally:
        claims.release_all()
    return claims.filled


class _Claims:
    """Shards that this process holds, oldest first: claimed as the decoding threads reach them."""

    def __init__(self, entry: Entry, shards: list[int], columns: tuple[Column, ...], batch_size: int) -> None:
        self.entry, self.shards, self.columns, self.batch_size = entry, shards, columns, batch_size
        self.held: deque[tuple[int, FileLock]] = deque()
        self.filled = 0

    def chunks(self) -> Iterator[NDArray[np.int64]]:
        """Indices of the batches of every shard that could be claimed."""
        for shard in self.shards:
            lock = self.entry.lock(shard)
            if lock is None:
                continue
            if self.entry.has(shard, self.columns):  # filled since we looked
                lock.release()
                continue
            self.held.append((shard, lock))
            yield from in_chunks(self.entry.rows(shard), self.batch_size)

    @property
    def first(self) -> int:
        """The shard whose batches come next."""
        return self.held[0][0]

    def release_first(self) -> None:
        """The first shard is written."""
        self.held.popleft()[1].release()
        self.filled += 1

    def release_all(self) -> None:
        """Give back what was not filled."""
        while self.held:
            self.held.popleft()[1].release()


def _write(
    entry: Entry, shard: int, batches: list[FeatureBatch], columns: tuple[Column, ...], images: ImageSet
) -> None:
    readable = np.concatenate([batch.indices for batch in batches])
    unreadable = {index: line for batch in batches for index, line in batch.unreadable.items()}
    rows = readable - entry.rows(shard)[0]
    arrays = {column: _rows_of(batches, column, rows, len(entry.rows(shard))) for column in columns}
    for whole in arrays.values():
        refuse_unusable(whole, lambda row: images.names[int(entry.rows(shard)[row])])
    entry.write(shard, arrays, unreadable)


def refuse_unusable(rows: NDArray[np.float32], name_of: Callable[[int], str]) -> None:
    """Refuse features (N, D) that say nothing: not finite, or so large that their length is not.

    Raises:
        InputError: names the first image.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.einsum("nd,nd->n", rows, rows)
    if not len(bad := np.flatnonzero(~np.isfinite(lengths))):
        return
    what = "too large to be compared" if np.isfinite(rows[bad]).all() else "not finite"
    raise InputError(
        f"the model's features of {len(bad)} images are {what}, first {name_of(int(bad[0]))}; check its weights"
    )


def _rows_of(batches: list[FeatureBatch], column: Column, rows: NDArray[np.int64], images: int) -> NDArray[np.float32]:
    """One column of a shard, (images, D), zero where an image could not be read."""
    values = [batch.columns[column].numpy() for batch in batches if len(batch.indices)]
    whole = np.zeros((images, values[0].shape[1] if values else 0), np.float32)
    if values:
        whole[rows] = np.concatenate(values)
    return whole
