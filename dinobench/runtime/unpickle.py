"""Reading pickles from elsewhere: plain values and arrays, within bounds of time and memory, nothing run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes
from dinobench.runtime.pickle_machine import PickleMachine, most_values
from dinobench.runtime.pickled_arrays import PickleError
from dinobench.runtime.pickled_names import LibraryName, StandIn

_DEEPEST = 50  # lists in lists; plain data have fewer than ten
_SCALARS = (str, bytes, int, float, complex, bool, type(None), np.generic)


def read_pickle(path: Path) -> Any:
    """The object in a pickle made of Python's own types and numpy arrays, written by Python 2 or 3.

    Time and memory are bounded by the file's size.

    Raises:
        InputError: no such file, a damaged pickle, or one that asks for anything else.
    """
    data = read_bytes(path)
    try:
        return plain_value(data)
    except Exception as error:  # a damaged pickle raises anything from EOFError to KeyError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"cannot read {path} as a pickle of plain values: {reason:.200}; fetch it again") from error


def plain_value(data: bytes, libraries: frozenset[str] = frozenset()) -> Any:
    """The object in the bytes of a pickle; any exception where it is damaged or asks for more than plain values.

    Args:
        data: the whole pickle.
        libraries: top modules whose objects are read as a `StandIn` each; nothing of theirs is imported.
    """
    value = PickleMachine(len(data), libraries).run(data)
    if _unfolded_size(value, {}, 0)[0] > most_values(len(data)):
        raise PickleError("it unfolds to more values than its size justifies")
    return value


def _parts(value: Any) -> list[Any]:
    if isinstance(value, StandIn):
        return [value.arguments, value.state]
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)


def _unfolded_size(value: Any, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """How many values stand in `value`, shared ones counted wherever they stand, and how deep."""
    if isinstance(value, list | tuple | set | frozenset | dict | StandIn):
        if id(value) not in known:
            if depth > _DEEPEST:
                raise PickleError(f"it is nested more than {_DEEPEST} deep")
            parts = _parts(value)
            inner = [_unfolded_size(part, known, depth + 1) for part in parts]
            known[id(value)] = 1 + sum(size for size, _ in inner), 1 + max((deep for _, deep in inner), default=0)
        if known[id(value)][1] > _DEEPEST:
            raise PickleError(f"it is nested more than {_DEEPEST} deep")
        return known[id(value)]
    if not isinstance(value, (*_SCALARS, bytearray, np.ndarray, LibraryName)):
        raise PickleError(f"it holds a {type(value).__name__}, and only plain values are read")
    return 1, 0
