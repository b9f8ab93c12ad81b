"""Descriptors of images of varying size in the feature store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dinobench.features.matrix import FeatureMatrix
from dinobench.features.names import Column
from dinobench.features.rows import Claims, FeatureBatch, RowRequest, stored_rows

COLUMN = Column("descriptor")
SHARD_ROWS = 512
"""Small, for an image of retrieval costs many times one of classification, and so that processes can share."""


def stored_descriptors(
    identity: Mapping[str, Any],
    about: Mapping[str, Any],
    names: Sequence[str],
    describe: Callable[[NDArray[np.int64]], Iterator[tuple[NDArray[np.int64], Tensor]]],
    *,
    folder: Path | None = None,
    shard_rows: int = SHARD_ROWS,
) -> FeatureMatrix:
    """The descriptors that `identity` names, computed as far as they are not in the store yet.

    Args:
        identity: everything that the values depend on; JSON can hold it.
        about: names for listings: "name" of the model, "data".
        names: of the N images.
        describe: from indices to (indices, (b, D) descriptors) in any order, every index once.
        folder: of the store.
        shard_rows: images per file.

    Returns:
        (N, D), on disk.

    Raises:
        InputError: no image, descriptors that are not finite, or a full disk.
    """

    def compute(claims: Claims) -> Iterator[FeatureBatch]:
        for images in claims:
            for indices, rows in describe(images):
                yield FeatureBatch(indices, {COLUMN: rows}, {})

    return stored_rows(RowRequest(identity, about, names, (COLUMN,), lambda: shard_rows), compute, folder=folder)
