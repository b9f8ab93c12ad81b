"""What a run shows while it works."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import closing
from typing import TypeAlias, TypeVar

from tqdm import tqdm

from dinobench.runtime.launch import launched

T = TypeVar("T")
_FIRST_SECONDS = 5.0  # until a log says how long long work will take
_SECONDS = 60.0  # between two lines of a log
_COLUMNS = 80  # of a terminal that does not say its width


def progress(
    items: Iterable[T], label: str, total: int | None = None, size: Callable[[T], int] | None = None
) -> Iterator[T]:
    """Iterate over `items` behind a progress bar on stderr, or with a line a minute where stderr is not a terminal.

    A log says after five seconds how long the work will take, if that is more than a minute. A notebook gets the bar.
    An error of another process that shares the work ends the loop.

    Args:
        items: what the work consists of.
        label: what it is.
        total: how many items, or with `size` how many images in all.
        size: images of an item, where items are batches.
    """
    from dinobench.runtime.processes import look_for_failures

    if total is None and isinstance(items, Sized) and size is None:
        total = len(items)
    with closing(meter(label, total)) as shown:
        for item in items:
            look_for_failures()
            yield item
            shown.update(size(item) if size else 1)


def meter(label: str, total: int | None, done: int = 0) -> Meter:
    """What shows how far work is, for a loop that `progress` does not fit; `done` items were done before."""
    from dinobench.runtime.processes import rank

    return _bar(label, total, done) if _has_bars() and rank() == 0 else _Log(label, total, done)


def _has_bars() -> bool:
    """Whether stderr is a terminal or a notebook's cell, which both draw a line anew."""
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")


def _bar(label: str, total: int | None, done: int) -> tqdm[None]:
    """A bar that stands at once, on a terminal of any width, even one that says 0."""
    columns = None if _width() else _COLUMNS
    return tqdm(desc=label, total=total, initial=done, file=sys.stderr, leave=False, ncols=columns)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 0


class _Log:
    """A line after five seconds for long work, and one a minute."""

    def __init__(self, label: str, total: int | None, done: int = 0) -> None:
        self.label, self.total, self.before, self.done = label, total, done, done
        self.figures = ""
        self.start = self.last = time.monotonic()
        self.wait = _FIRST_SECONDS

    def update(self, count: int) -> None:
        """Note that so much more is done."""
        self.done += count
        now = time.monotonic()
        if now - self.last < self.wait:
            return
        pace = (now - self.start) / max(self.done - self.before, 1)
        left = pace * (self.total - self.done) if self.total else None
        if self.wait == _SECONDS or (left is not None and left > _SECONDS):
            self._say(left)
        self.last, self.wait = now, _SECONDS

    def set_postfix(self, figures: Mapping[str, str], refresh: bool = False) -> None:
        """Figures behind the lines, as behind a bar."""
        self.figures = "".join(f", {name} {value}" for name, value in figures.items())

    def close(self) -> None:
        """Nothing is left to say."""

    def _say(self, left: float | None) -> None:
        rest = "" if left is None else f" of {self.total}, {duration(left)} left"
        announce(f"{self.label}: {self.done}{rest}{self.figures}")  # the first has a share like the others'


Meter: TypeAlias = "tqdm[None] | _Log"
"""A bar, or lines of a log: `update(count)`, `set_postfix(figures)`, `close()`."""


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds, or seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def announce(line: str) -> None:
    """`notice` by the first of several processes alone, of what all of them know."""
    from dinobench.runtime.processes import rank

    if rank() == launched()[0] == 0:
        notice(line)


def notice(line: str) -> None:
    """One line for the user on stderr, which never mixes with results on stdout."""
    tqdm.write(line, file=sys.stderr)  # above a bar, if there is one
    sys.stderr.flush()
