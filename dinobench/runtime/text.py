"""Lists of names in messages."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(names: Sequence[str], count: int = 3) -> str:
    """The first names, and how many there are besides: `a, b, c and 5 more`."""
    rest = len(names) - count
    return ", ".join(names[:count]) + (f" and {rest} more" if rest > 0 else "")
