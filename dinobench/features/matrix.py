"""Features on disk as one array, read in blocks: a vector or a map for each image."""

from __future__ import annotations

import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.features.names import Column, parse_columns
from dinobench.runtime.errors import InputError


def _open_column(path: Path) -> NDArray[np.floating]:
    """One column of a shard, mapped.

    Raises:
        InputError: the file is gone or damaged.
    """
    try:
        column: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(
            f"stored features {path} cannot be read ({type(error).__name__}): removed meanwhile, or damaged; run again"
        ) from error
    return column


def joined_shape(shapes: Sequence[tuple[int, ...]], columns: tuple[Column, ...]) -> tuple[int, ...]:
    """(D,) or (h, w, D) of what stands side by side, from the shape of each column.

    Raises:
        InputError: maps whose grids differ in size.
    """
    if len({shape[:-1] for shape in shapes}) > 1:
        raise InputError(f"the maps of {' and '.join(map(str, columns))} differ in size; take one of them")
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


@dataclass(frozen=True)
class Shard:
    """Consecutive images of a set.

    Attributes:
        files: one .npy of (n, D_i) or (n, h, w, D_i) per column.
        readable: (n,) bool, false where the image could not be decoded, or belongs to another part.
    """

    files: tuple[Path, ...]
    readable: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.readable.sum())

    def part(self, first: int, last: int) -> Shard:
        """The readable rows from `first` to before `last`, as a shard whose others are not read."""
        readable = np.zeros_like(self.readable)
        readable[np.flatnonzero(self.readable)[first:last]] = True
        return replace(self, readable=readable)

    def read(self, out: Tensor, rows: NDArray[np.int64] | None = None) -> None:
        """Copy rows into `out` (n, D) or (n, h, w, D), the columns side by side, and leave no file open.

        Args:
            out: as many rows as are asked for.
            rows: places among the readable rows, all of them by default; only their pages are read.
        """
        places = np.flatnonzero(self.readable) if rows is None else np.flatnonzero(self.readable)[rows]
        chosen: slice | NDArray[np.int64] = slice(None) if len(places) == len(self.readable) else places
        start = 0
        for path in self.files:
            column = _open_column(path)
            out.numpy()[..., start : start + column.shape[-1]] = column[chosen]
            start += column.shape[-1]


@dataclass(frozen=True)
class FeatureMatrix:
    """One row per readable image: a vector (D,), or a map (h, w, D) whose cells are what a column gives there.

    Attributes:
        columns: what stands side by side in a row.
        shards: in the order of the images, none of them empty.
        rows: (N,) int64, the image of each row.
        unreadable: one line for each image that has no row, by index.
        zero: by column, how many rows are all zeros, for the columns that have such rows.
    """

    columns: tuple[Column, ...]
    shards: tuple[Shard, ...]
    rows: NDArray[np.int64]
    unreadable: dict[int, str]
    zero: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Width D of a row, or of a cell of its map."""
        return self.shape[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D) or (N, h, w, D)."""
        shapes = [_open_column(path).shape[1:] for path in self.shards[0].files]
        return (len(self), *joined_shape(shapes, self.columns))

    @property
    def dtype(self) -> torch.dtype:
        """Of the stored numbers: float32, or float16 for maps where that was asked for."""
        return torch.from_numpy(np.empty(0, _open_column(self.shards[0].files[0]).dtype)).dtype

    def only(self, feature: str) -> FeatureMatrix:
        """The columns of `feature` alone, all of which must be here."""
        columns = parse_columns(feature)
        places = [self.columns.index(column) for column in columns]
        shards = (replace(shard, files=tuple(shard.files[place] for place in places)) for shard in self.shards)
        return replace(self, columns=columns, shards=tuple(shards))

    def share(self, rank: int, processes: int) -> tuple[FeatureMatrix, int]:
        """The consecutive rows that fall to one of several processes, and the number of rows before them."""
        first, last = (len(self) * edge // processes for edge in (rank, rank + 1))
        before, parts = 0, []
        for shard in self.shards:
            if max(first, before) < min(last, before + len(shard)):
                parts.append(shard.part(max(first - before, 0), last - before))
            before += len(shard)
        return replace(self, shards=tuple(parts), rows=self.rows[first:last]), first

    def blocks(self, rows: int = 32768) -> Iterator[Tensor]:
        """(b, ...) in order; every block but the last has at least `rows` rows and at most a shard more."""
        first, count = 0, 0
        for number, shard in enumerate(self.shards, 1):
            count += len(shard)
            if count >= rows or number == len(self.shards):
                yield self._read_shards(self.shards[first:number])  # without a name, which would keep it until the next
                first, count = number, 0

    def tensor(self) -> Tensor:
        """All rows in memory: (N, D) or (N, h, w, D)."""
        return self._read_shards(self.shards)

    def _read_shards(self, shards: tuple[Shard, ...]) -> Tensor:
        whole = torch.empty(sum(map(len, shards)), *self.shape[1:], dtype=self.dtype)
        start = 0
        for shard in shards:
            shard.read(whole[start : start + len(shard)])
            start += len(shard)
        return whole

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Some rows in memory: (n, ...) of `rows` (n,), which are sorted and distinct; no others are read."""
        chosen = torch.empty(len(rows), *self.shape[1:], dtype=self.dtype)
        start = 0
        for shard in self.shards:
            first, last = np.searchsorted(rows, (start, start + len(shard)))
            if first < last:
                shard.read(chosen[first:last], rows[first:last] - start)
            start += len(shard)
        return chosen

    def between(self, start: int, stop: int) -> Tensor:
        """Consecutive rows in memory: (stop - start, ...), cut to those that there are."""
        return self.take(np.arange(*slice(start, stop).indices(len(self))))
