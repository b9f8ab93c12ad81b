"""Names a user may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dinobench.runtime.errors import InputError


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not among `known`: suggests the nearest, else lists them all."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(choices) or 'none'}"
    return InputError(f"unknown {kind} {name!r}; {hint}")
