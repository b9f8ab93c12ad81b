"""One process reads a checkpoint, all get it: those without the file, or with another one, cannot go their own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dinobench.runtime.processes import copy_from_first, from_first, rank, world_size

State = dict[str, Any]


@dataclass(frozen=True)
class _TensorPlace:
    """Stands for a tensor that travels by itself."""

    shape: torch.Size
    dtype: torch.dtype


def read_by_first(read: Callable[[], State | None], device: torch.device) -> State | None:
    """What `read` gives in the first process, in all of them, with tensors on the CPU.

    Args:
        read: gives nested dicts, lists and tuples of tensors and plain values, or None where there is nothing.
        device: of this process, over which tensors travel.

    Raises:
        InputError: as `read` does, in all processes.
    """
    if world_size() == 1:
        return read()
    tensors: list[Tensor] = []

    def put_aside(tensor: Tensor) -> _TensorPlace:
        tensors.append(tensor)
        return _TensorPlace(tensor.shape, tensor.dtype)

    places = from_first(lambda: _replace_objects(read(), Tensor, put_aside), "checkpoint")
    own = iter(tensors)

    def travelled(place: _TensorPlace) -> Tensor:
        tensor = next(own).to(device) if rank() == 0 else torch.empty(place.shape, dtype=place.dtype, device=device)
        copy_from_first(tensor)
        return tensor.cpu()

    state: State | None = _replace_objects(places, _TensorPlace, travelled)
    return state


def _replace_objects(value: Any, kind: type, replace: Callable[[Any], Any]) -> Any:
    """`value` with `replace` of every object of a kind in it."""
    if isinstance(value, kind):
        return replace(value)
    if isinstance(value, dict):
        return {key: _replace_objects(item, kind, replace) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_replace_objects(item, kind, replace) for item in value])
    return value
