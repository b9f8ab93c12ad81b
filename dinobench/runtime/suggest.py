"""Names a user may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dinobench.runtime.errors import InputError


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not among `known`: suggests the nearest, else lists them all."""
    choices = sorted(known)
    hint = did_you_mean(name, choices) or f"known: {', '.join(choices) or 'none'}"
    return InputError(f"unknown {kind} {name!r}; {hint}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest of `known`; empty where none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else ""
