"""What a run shows while it works."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Iterate over `items` behind a progress bar on stderr; silent where stderr is no terminal."""
    yield from tqdm(items, desc=label, total=total, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False)


def notice(line: str) -> None:
    """One line for the user on stderr, which never mixes with results on stdout."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
