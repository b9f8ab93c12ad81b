"""One folder of the feature store: the features of one image set by one model.

    entry.json          what this is: model, weights, preprocessing, precision, data, number of images and of shards
    00007.cls.1.npy     column "cls.1" of shard 7, (rows, D) float32; a map is (rows, h, w, D) float32 or float16
    00007.json          the shard's commit: digest of each column's file, images that could not be read
    locks/00007         held by the process that fills the shard

A column counts once the commit names it; the commit is written after the column's file, both atomically.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from dinobench.features.commit import Commit, stamp_of_file
from dinobench.features.matrix import FeatureMatrix, Shard
from dinobench.features.names import Column
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path, sha256_file, write_text_atomically
from dinobench.runtime.locks import try_lock
from dinobench.runtime.names import safe_name

SCHEMA = 1
_WAIT_SECONDS = 0.1
_LARGE = 2**26
"""Bytes of a file that is read again to be checked only where its size, time or inode are not those of its writing."""


class Entry:
    """One model's features of one image set."""

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self.folder = folder
        self.description = dict(description)
        self.images = int(description["images"])
        self.shard_rows = int(description["shard_rows"])

    @classmethod
    def create(cls, folder: Path, description: Mapping[str, Any]) -> Entry:
        """The entry in `folder`, made if it is new."""
        if (there := cls.open(folder)) is not None:
            return there
        write_text_atomically(folder / "entry.json", json.dumps({"schema": SCHEMA, **description}, indent=2) + "\n")
        return cls(folder, description)

    @classmethod
    def open(cls, folder: Path) -> Entry | None:
        """The entry in `folder`, or None where there is none that can be read."""
        try:
            description = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
            return cls(folder, description) if description["schema"] == SCHEMA else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None

    @property
    def shards(self) -> range:
        """Numbers of the shards."""
        return range(-(-self.images // self.shard_rows))

    def rows(self, shard: int) -> NDArray[np.int64]:
        """Indices of the shard's images."""
        return np.arange(shard * self.shard_rows, min((shard + 1) * self.shard_rows, self.images))

    def path(self, shard: int, column: str) -> Path:
        """File of one column of one shard."""
        return self.folder / safe_name(f"{shard:05d}.{column}.npy", f"column in {self.folder}")

    def commit_of(self, shard: int) -> Commit:
        """What has been written of the shard."""
        return Commit.read(self._commit_path(shard))

    def has(self, shard: int, columns: Iterable[Column]) -> bool:
        """Whether the shard holds all of `columns`."""
        digests = self.commit_of(shard).digests
        return all(str(column) in digests and self.path(shard, str(column)).is_file() for column in columns)

    def write(self, shard: int, columns: Mapping[Column, NDArray[np.floating]], unreadable: Mapping[int, str]) -> None:
        """Store a shard's columns, (rows, ...) each, beside those already there; all or nothing.

        Columns that were extracted when other images could be read leave the commit, to be extracted again.

        Raises:
            InputError: the disk is full or may not be written.
        """
        before = self.commit_of(shard)
        commit = before if dict(before.unreadable) == dict(unreadable) else Commit(unreadable=unreadable)
        readable = ~np.isin(self.rows(shard), list(unreadable))
        for column, values in columns.items():
            path = self.path(shard, str(column))
            with atomic_path(path) as temporary:
                with temporary.open("wb") as stream:
                    np.save(stream, values)
                digest = sha256_file(temporary)
            zero = int((~values.reshape(len(values), -1).any(1) & readable).sum())
            commit = commit.with_column(str(column), digest, stamp_of_file(path), zero)
        commit.write(self._commit_path(shard))

    def note_use(self) -> None:
        """Note that the entry is used now, which pruning asks; a store that may only be read is left alone."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / "entry.json")

    def lock(self, shard: int) -> FileLock | None:
        """The shard's lock, held by this process, or None while another one holds it."""
        return try_lock(self.folder / "locks" / f"{shard:05d}")

    def damaged(self, columns: Iterable[str] | None = None) -> list[Path]:
        """Committed files that are gone or whose bytes are not those written; all are read."""
        return [self.path(shard, column) for shard, column in self._damaged_shards(columns, full=True)]

    def discard_damaged(self, columns: Iterable[str] | None = None) -> list[Path]:
        """Take damaged columns out of their commits, so that they are extracted again; returns their files.

        Large files that nobody has written since are not read for it.
        """
        discarded = []
        for shard, column in self._damaged_shards(columns):
            with self._hold_shard(shard):
                if not self._is_damaged(shard, column):
                    continue  # written again by another process since it was read
                self.commit_of(shard).without(column).write(self._commit_path(shard))
                self.path(shard, column).unlink(missing_ok=True)
            discarded.append(self.path(shard, column))
        return discarded

    @contextlib.contextmanager
    def _hold_shard(self, shard: int) -> Iterator[None]:
        """Wait for the shard's lock and hold it."""
        while (lock := self.lock(shard)) is None:
            time.sleep(_WAIT_SECONDS)
        try:
            yield
        finally:
            lock.release()

    def _is_damaged(self, shard: int, column: str, *, full: bool = False) -> bool:
        commit, path = self.commit_of(shard), self.path(shard, column)
        if column not in commit.digests:
            return False
        stamp = stamp_of_file(path)
        if not full and stamp and stamp[0] >= _LARGE and stamp == commit.stamps.get(column):
            return False
        return _file_digest(path) != commit.digests[column]

    def forget_unreadable(self, readable: Callable[[int], bool]) -> None:
        """Have shards extracted again where an image can be read now: a limit was raised, a permission was given."""

        def outdated(shard: int) -> bool:
            return any(readable(index) for index in self.commit_of(shard).unreadable)

        for shard in filter(outdated, self.shards):
            with self._hold_shard(shard):
                if outdated(shard):  # not written again by another process since it was read
                    Commit().write(self._commit_path(shard))

    def matrix(self, columns: tuple[Column, ...]) -> FeatureMatrix:
        """The features of all shards, which must all be there.

        Raises:
            InputError: not one image could be read.
        """
        shards: list[Shard] = []
        unreadable: dict[int, str] = {}
        zero: dict[str, int] = {}
        for number in self.shards:
            commit = self.commit_of(number)
            missing = commit.unreadable
            for column in map(str, columns):
                zero[column] = zero.get(column, 0) + commit.zero.get(column, 0)
            readable = ~np.isin(self.rows(number), list(missing))
            shards.append(Shard(tuple(self.path(number, str(column)) for column in columns), readable))
            unreadable.update(missing)
        if len(unreadable) == self.images:
            raise InputError(f"none of {self.images} images can be read; the first: {next(iter(unreadable.values()))}")
        rows = np.flatnonzero(np.concatenate([shard.readable for shard in shards]))
        zero = {column: count for column, count in zero.items() if count}
        return FeatureMatrix(columns, tuple(shard for shard in shards if len(shard)), rows, unreadable, zero)

    def columns(self) -> dict[str, int]:
        """How many shards hold each column."""
        counts: dict[str, int] = {}
        for shard in self.shards:
            for column in self.commit_of(shard).digests:
                counts[column] = counts.get(column, 0) + 1
        return dict(sorted(counts.items()))

    def bytes(self) -> int:
        """Size on disk of all that lies in the folder, leftovers of killed processes too."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def remove(self) -> None:
        """Delete the folder.

        Raises:
            InputError: it may not be deleted.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            raise InputError(f"cannot remove {self.folder}; check its permissions, or who uses it")

    def _damaged_shards(self, columns: Iterable[str] | None, *, full: bool = False) -> list[tuple[int, str]]:
        wanted = None if columns is None else set(columns)
        return [
            (shard, column)
            for shard in self.shards
            for column in self.commit_of(shard).digests
            if (wanted is None or column in wanted) and self._is_damaged(shard, column, full=full)
        ]

    def _commit_path(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.json"


def _file_digest(path: Path) -> str | None:
    try:
        return sha256_file(path)
    except OSError:
        return None
