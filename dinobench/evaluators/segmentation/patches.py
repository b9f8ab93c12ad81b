"""Patches of training images as rows: features in the store, classes of their pixels in a file, neither held whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinobench.metrics.class_areas import VOID
from dinobench.runtime.errors import InputError

Indices = NDArray[np.int64]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Patches:
    """The patches of F maps, one map after the other.

    Attributes:
        read: from the number of a map to its features, (h, w, D) float32.
        labels: (N, P) uint8 classes of the pixels of each patch, 255 void.
        starts: (F + 1,) the first patch of each map, and N.
    """

    read: Callable[[int], Tensor]
    labels: NDArray[np.uint8]
    starts: Indices

    @cached_property
    def main_labels(self) -> NDArray[np.uint8]:
        """(N,) the class of most pixels of each patch, the smaller of two, 255 void."""
        parts = (self.labels[start:stop] for start, stop in pairwise(self.starts.tolist()))
        modes = [torch.from_numpy(np.array(part)).mode(1).values.numpy() for part in parts]
        return np.concatenate([np.empty(0, np.uint8), *modes])

    def of_map(self, number: int, *, known: bool) -> Indices:
        """The patches of one map; with `known` those whose main class is not void."""
        indices = np.arange(self.starts[number], self.starts[number + 1])
        return indices[self.main_labels[indices] != VOID] if known else indices


@dataclass(frozen=True)
class PatchRows:
    """Some patches, in an order in which those of one map stand together.

    Attributes:
        patches: of which these are.
        index: (n,) their numbers.
    """

    patches: Patches
    index: Indices

    def __len__(self) -> int:
        return len(self.index)

    def features(self, start: int, stop: int) -> Tensor:
        """(stop - start, D) of consecutive rows, read from disk."""
        index = self.index[start:stop]
        maps = np.searchsorted(self.patches.starts, index, side="right") - 1
        edges = [0, *(np.flatnonzero(np.diff(maps)) + 1).tolist(), len(index)]
        parts = []
        for first, last in pairwise(edges):
            number = int(maps[first])
            places = index[first:last] - self.patches.starts[number]
            parts.append(self.patches.read(number).flatten(0, 1)[torch.from_numpy(places)])
        return torch.cat(parts)

    def labels(self, rows: Indices | slice) -> Tensor:
        """(..., P) uint8 classes of the pixels of some rows (...)."""
        return torch.from_numpy(np.asarray(self.patches.labels[self.index[rows]]))

    def main_labels(self, start: int, stop: int) -> Tensor:
        """(stop - start,) int64 main classes of consecutive rows."""
        return torch.from_numpy(self.patches.main_labels[self.index[start:stop]]).long()

    def known(self) -> PatchRows:
        """Those whose main class is not void."""
        return replace(self, index=self.index[self.patches.main_labels[self.index] != VOID])


def join_rows(patches: Patches, parts: Sequence[Indices]) -> PatchRows:
    """Patches of several images as one.

    Raises:
        InputError: all of them are void.
    """
    rows = PatchRows(patches, np.concatenate(parts))
    if not len(rows) or not any(bool((rows.labels(part) != VOID).any()) for part in spans(len(rows), _LOOKED_AT)):
        raise InputError("every pixel of the training masks is void; check the masks")
    return rows


_LOOKED_AT = 65536


def spans(count: int, size: int) -> list[slice]:
    """Consecutive parts of `count` rows, `size` each, the last perhaps smaller."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


class HeldBlocks(Sequence[Item]):
    """Blocks that are made when they are asked for; the first ones stay in memory, the others are made every time.

    Args:
        make: from the number of a block to the block.
        count: of blocks.
        bytes_of: a block takes so many.
        budget: bytes that may stay.
    """

    def __init__(self, make: Callable[[int], Item], count: int, bytes_of: Callable[[Item], int], budget: int) -> None:
        self.make, self.blocks, self.bytes_of, self.left = make, count, bytes_of, budget
        self.held: dict[int, Item] = {}

    def __len__(self) -> int:
        return self.blocks

    def __getitem__(self, number: int) -> Item:  # type: ignore[override]
        if not 0 <= number < self.blocks:
            raise IndexError(number)
        if number in self.held:
            return self.held[number]
        block = self.make(number)
        if (size := self.bytes_of(block)) <= self.left:
            self.left -= size
            self.held[number] = block
        return block


def labels_on_disk(parts: Iterable[NDArray[np.uint8]], folder: Path) -> tuple[NDArray[np.uint8], Indices]:
    """(N, P) classes of all parts (n_i, P), mapped from a nameless file in `folder`; where each begins, and N.

    Raises:
        InputError: the disk is full, or the folder may not be written.
    """
    counts, places = [0], 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (the array keeps it)
        for part in parts:
            stream.write(np.ascontiguousarray(part).data)
            counts.append(len(part))
            places = part.shape[1]
        stream.flush()
    except OSError as error:
        raise InputError(
            f"cannot write the classes of the training patches in {folder}: {os.strerror(error.errno or 0)}; "
            "choose another --output or free the disk"
        ) from error
    starts = np.cumsum(counts)
    if not starts[-1]:
        return np.empty((0, max(places, 1)), np.uint8), starts
    return np.memmap(stream, np.uint8, "r", shape=(int(starts[-1]), places)), starts
