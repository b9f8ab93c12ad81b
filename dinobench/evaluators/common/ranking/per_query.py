"""The value of every image or query on file, so that two runs can be compared and a figure be computed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.evaluators.base import Scores
from dinobench.metrics.bootstrap import accuracy_interval
from dinobench.runtime.parquet_files import write_columns


def add_share(scores: Scores, name: str, shares: NDArray[np.float64], seed: int = 0) -> None:
    """Add metric `name` in percent: the mean of shares of 1 (M,) over images, with its interval and its values."""
    scores.metrics[name] = 100 * float(shares.mean())
    scores.intervals[name] = accuracy_interval(shares, seed=seed)
    scores.values[name] = 100.0 * shares


def save_per_query(scores: Scores, path: Path, names: Sequence[str], values: Sequence[float | None]) -> None:
    """Write one row per query: name, its value in [0, 1], empty where it has none, and the values of all metrics.

    The columns `image` and `value` are those that `dinobench compare` pairs. Where several queries ask for one image,
    the second is called NAME#2, and so on.

    Args:
        scores: whose `values` are of these queries; the file is noted there.
        path: of the Parquet file.
        names: of the queries.
        values: in percent.
    """
    shares = [None if value is None else value / 100 for value in values]
    write_columns(path, {"image": _numbered_names(names), "value": shares, **scores.values})
    scores.files.append(str(path))


def _numbered_names(names: Sequence[str]) -> list[str]:
    """The names, with their number where one comes again."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return numbered
