from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.features.matrix import FeatureMatrix, Shard
from dinobench.features.names import Column


@pytest.fixture
def matrix(tmp_path):
    """Ten images in shards of four, image 5 unreadable; column cls.1 is 2 wide, mean.1 is 3 wide."""
    values = torch.arange(50.0).view(10, 5)
    shards = []
    for number, start in enumerate(range(0, 10, 4)):
        files = tuple(tmp_path / f"{number}.{name}.npy" for name in ("cls", "mean"))
        for path, part in zip(files, values[start : start + 4].split((2, 3), 1), strict=True):
            np.save(path, part.numpy())
        shards.append(Shard(files, np.arange(start, min(start + 4, 10)) != 5))
    columns = (Column("cls"), Column("mean"))
    rows = np.delete(np.arange(10), 5)
    return FeatureMatrix(columns, tuple(shards), rows, {5: "bad"}), values[rows]


def test_reads_what_was_written(matrix):
    stored, values = matrix
    assert (len(stored), stored.dim) == (9, 5)
    assert torch.equal(stored.tensor(), values)


@pytest.mark.parametrize(("rows", "lengths"), [(1, [4, 3, 2]), (5, [7, 2]), (100, [9])])
def test_blocks(matrix, rows, lengths):
    stored, values = matrix
    blocks = list(stored.blocks(rows))
    assert [len(block) for block in blocks] == lengths
    assert torch.equal(torch.cat(blocks), values)


def test_take_and_only(matrix):
    stored, values = matrix
    rows = np.array([0, 4, 5, 8])
    assert torch.equal(stored.take(rows), values[rows])
    assert torch.equal(stored.take(np.arange(9)), values)
    assert stored.take(rows[:0]).shape == (0, 5)
    assert torch.equal(stored.only("mean").tensor(), values[:, 2:])
    assert torch.equal(stored.only("mean+cls").tensor(), torch.cat([values[:, 2:], values[:, :2]], 1))


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_shares_cover_every_row_once(matrix, processes):
    stored, values = matrix
    shares = [stored.share(rank, processes) for rank in range(processes)]
    lengths = [len(share) for share, _ in shares]
    assert sum(lengths) == len(stored)
    assert max(lengths) - min(lengths) <= 1
    for share, start in shares:
        if len(share):
            assert torch.equal(share.tensor(), values[start : start + len(share)])
