"""Flat tables of tensors, and the prefixes under which a network's tensors stand in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]

# One chunk of a model that was wrapped in pieces: blocks.0.11.norm1.weight is block 11.
CHUNKED = re.compile(r"^((?:.*\.)?blocks)\.\d+\.(\d+)\.")


def flatten(content: Mapping[Any, Any], prefix: str = "") -> State:
    """Every tensor of nested mappings by its joined name: {"teacher": {"a": t}} -> {"teacher.a": t}."""
    flat: State = {}
    for key, value in content.items():
        if isinstance(value, Tensor):
            flat[f"{prefix}{key}"] = value
        elif isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
    return flat


def scopes(keys: Iterable[str], anchors: tuple[str, ...]) -> list[str]:
    """Prefixes P, shortest first, such that P + every anchor is among the keys.

    An anchor matches from a dot on, so that a prefix is removed as a prefix and never inside a name.
    """
    known = set(keys)
    first = anchors[0]
    found = {key.removesuffix(first) for key in known if key.endswith(first)}
    complete = [p for p in found if (not p or p[-1] in "./") and all(p + anchor in known for anchor in anchors)]
    return sorted(complete, key=lambda prefix: (len(prefix), prefix))


def unchunk(state: Mapping[str, Tensor]) -> State:
    """Blocks that were saved in chunks, under plain block numbers; numbers that repeat are of stages, and stay."""
    plain = {CHUNKED.sub(r"\1.\2.", key): tensor for key, tensor in state.items()}
    return plain if len(plain) == len(state) else dict(state)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex sha256 of names, types, shapes and bytes, in the order of the names; whatever container they came in."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        whole.update(f"{name} {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}\n".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()
