"""What a run shows while it works."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
_SECONDS = 60.0  # between two lines of a log


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Iterate over `items` behind a progress bar on stderr, or with a line a minute where stderr is no terminal.

    An error of another process that shares the work ends the loop.
    """
    from dinobench.runtime.processes import look_for_failures

    bar = tqdm(items, desc=label, total=total, file=sys.stderr, leave=False) if sys.stderr.isatty() else None
    for item in _print_progress(items, label, total) if bar is None else bar:
        look_for_failures()
        yield item


def _print_progress(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    from dinobench.runtime.processes import rank

    if total is None and isinstance(items, Sized):
        total = len(items)
    start = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last >= _SECONDS and rank() == 0:  # who has a share like the others'
            left = (
                "" if not (total and done) else f" of {total}, {duration((now - start) / done * (total - done))} left"
            )
            notice(f"{label}: {done}{left}")
            last = now
        yield item


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds, or seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def notice(line: str) -> None:
    """One line for the user on stderr, which never mixes with results on stdout."""
    tqdm.write(line, file=sys.stderr)  # above a bar, if there is one
    sys.stderr.flush()
