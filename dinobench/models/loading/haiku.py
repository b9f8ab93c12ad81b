"""Pickles of Haiku's parameters, as JAX experiments save them: plain arrays are read, nothing in the file runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes
from dinobench.runtime.pickled_names import StandIn
from dinobench.runtime.unpickle import plain_value

LIBRARIES = frozenset({"haiku", "jax", "jaxlib", "optax", "byol", "dill", "collections"})
# Named tuples are stored without the names of their fields.
FIELDS = {"_ByolExperimentState": ("online_params", "target_params", "online_state", "target_state")}


def open_haiku(path: Path) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Nested tables of tensors, and the names of what was read as no table.

    Parameters and state of one network, `NAME_params` and `NAME_state`, become one table NAME.

    Raises:
        InputError: a damaged pickle, or one that asks for anything but arrays and the containers of JAX and Haiku.
    """
    data = read_bytes(path)
    try:
        value = plain_value(data, LIBRARIES)
    except Exception as error:  # a damaged pickle raises anything from EOFError to KeyError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} is not a pickle of plain arrays: {reason:.200}; do not trust it, or fetch it again"
        ) from error
    ignored: set[str] = set()
    content = _table(value, ignored)
    if content is None:
        raise InputError(f"{path} holds a {type(value).__name__}, not a table of arrays; give a checkpoint")
    return content, tuple(sorted(ignored))


def _table(value: Any, ignored: set[str]) -> dict[str, Any] | None:
    """A mapping of ours, None for what is none."""
    if isinstance(value, StandIn):
        return _table(_mapping_of(value, ignored), ignored)
    if not isinstance(value, dict):
        return None
    table: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, np.ndarray):
            if item.dtype.kind in "fi":
                table[str(key)] = torch.from_numpy(np.array(item, dtype=item.dtype.newbyteorder("=")))
        elif (inner := _table(item, ignored)) is not None:
            table[str(key)] = inner
    return _joined(table)


def _mapping_of(value: StandIn, ignored: set[str]) -> Any:
    """The mapping that an object keeps: by the fields of a named tuple, as its argument, or among its attributes."""
    fields = FIELDS.get(value.name.rpartition(".")[2])
    if fields:
        return dict(zip(fields, value.arguments, strict=False))
    states = value.state if isinstance(value.state, tuple) else (value.state,)
    attributes = [item for state in states if isinstance(state, dict) for item in state.values()]
    for item in (*value.arguments, *attributes):
        if isinstance(item, (dict, StandIn)):
            return item
    ignored.add(value.name)
    return None


def _joined(table: dict[str, Any]) -> dict[str, Any]:
    for name in [key.removesuffix("_params") for key in table if key.endswith("_params")]:
        state = table.get(f"{name}_state")
        if isinstance(state, dict) and isinstance(table[f"{name}_params"], dict):
            parts = table.pop(f"{name}_params"), table.pop(f"{name}_state")
            table[name] = parts[0] | parts[1]
    return table
