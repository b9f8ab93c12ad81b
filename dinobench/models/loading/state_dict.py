"""Flat tables of tensors, and the prefixes under which a network's tensors stand in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

State = dict[str, Tensor]

# One chunk of a model that was wrapped in pieces: blocks.0.11.norm1.weight is block 11.
CHUNKED = re.compile(r"^((?:.*\.)?blocks)\.\d+\.(\d+)\.")


# What torch puts into names when it wraps a module.
WRAPPERS = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
PARAMETRIZED = re.compile(r"\.parametrizations\.(\w+)\.original$")

# Deeper and wider than any trainer nests its mappings.
DEEPEST = 64
MOST_ENTRIES = 2_000_000


def flatten(content: Mapping[Any, Any]) -> State:
    """Every tensor of nested mappings by its joined name: {"teacher": {"a": t}} -> {"teacher.a": t}.

    Raises:
        InputError: mappings nested without an end, or one mapping shared so often that the names have no end.
    """
    flat: State = {}
    entries = 0
    open_tables: list[tuple[str, Iterator[tuple[Any, Any]]]] = [("", iter(content.items()))]
    while open_tables:
        prefix, items = open_tables[-1]
        for key, value in items:
            entries += 1
            if isinstance(value, Tensor):
                flat[f"{prefix}{key}"] = value
            elif isinstance(value, Mapping):
                open_tables.append((f"{prefix}{key}.", iter(value.items())))
                break
        else:
            open_tables.pop()
        if len(open_tables) > DEEPEST or entries > MOST_ENTRIES:
            raise InputError(f"mappings nested more than {DEEPEST} deep, or {entries:,} names and more; refused")
    return flat


def first_names(names: Iterable[str]) -> str:
    """The first three of many names, each short and printable, for one line of text."""
    return first_few(["".join(char if char.isprintable() else "?" for char in name[:120]) for name in names])


def scopes(keys: Iterable[str], anchors: tuple[str, ...]) -> list[str]:
    """Prefixes P, shortest first, such that P + every anchor is among the keys.

    An anchor matches from a dot on, so that a prefix is removed as a prefix and never inside a name.
    """
    known = set(keys)
    first = anchors[0]
    found = {key.removesuffix(first) for key in known if key.endswith(first)}
    complete = [p for p in found if (not p or p[-1] in "./") and all(p + anchor in known for anchor in anchors)]
    return sorted(complete, key=lambda prefix: (len(prefix), prefix))


def without_wrappers(state: Mapping[str, Tensor]) -> State:
    """Names as they were before compiling, sharding, checkpointing or parametrizing wrapped modules of the network."""
    plain = {PARAMETRIZED.sub(r".\1", WRAPPERS.sub("", key)): tensor for key, tensor in state.items()}
    return plain if len(plain) == len(state) else dict(state)


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
