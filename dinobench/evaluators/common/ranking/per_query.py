"""One value per query on file, so that two runs can be compared query by query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dinobench.evaluators.base import Scores
from dinobench.runtime.files import write_table_atomically


def save_per_query(scores: Scores, path: Path, names: Sequence[str], values: Sequence[float | None]) -> None:
    """Write one line per query: name and average precision in [0, 1]; queries without one are left out.

    The columns `image` and `value` are those that `dinobench compare` pairs. Where several queries ask for one image,
    the second is called NAME#2, and so on.
    """
    told_apart = zip(_numbered_names(names), values, strict=True)
    rows = ((name, value / 100) for name, value in told_apart if value is not None)
    write_table_atomically(path, ("image", "value"), rows)
    scores.files.append(str(path))


def _numbered_names(names: Sequence[str]) -> list[str]:
    """The names, with their number where one comes again."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return numbered
