"""Features on disk as the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from dinobench.features.matrix import FeatureMatrix, Shard
from dinobench.features.names import parse_feature


def stored(folder: Path, columns: Mapping[str, Tensor], shard_rows: int) -> FeatureMatrix:
    """A matrix of columns (N, D_i), all of whose images are readable."""
    count = len(next(iter(columns.values())))
    shards = []
    for start in range(0, count, shard_rows):
        files = tuple(folder / f"{start}.{name}.npy" for name in columns)
        for path, values in zip(files, columns.values(), strict=True):
            np.save(path, values[start : start + shard_rows].numpy())
        shards.append(Shard(files, np.ones(min(shard_rows, count - start), bool)))
    return FeatureMatrix(parse_feature("+".join(columns)), tuple(shards), np.arange(count), {})
