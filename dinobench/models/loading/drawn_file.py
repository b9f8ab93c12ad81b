"""A checkpoint file of drawn weights, in the layout in which an origin's files come: for rehearsals."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dinobench.models.loading.family import Family, KeyLayout, family_called
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.build import build_backbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path

# Of single width: ours by the name of its width, so that no prefix of a library's wrapper stands before the names.
_PLAIN = re.compile(r"resnet\d+")


def write_drawn(path: Path, family: str, architecture: str, *, layout: str = "", seed: int = 0) -> None:
    """Draw the weights of an architecture and write them as a file of that family.

    Args:
        path: ends in .zip for a zip around the file.
        family: name of a checkpoint family.
        architecture: as `build_backbone` takes it.
        layout: name of one of the family's key layouts; by default the first whose names such a network has.
        seed: of the weights.

    Raises:
        InputError: no such family or architecture, or no layout of the family that fits the network.
    """
    origin = family_called(family)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        content = _file_content(origin, drawn_state(origin, architecture, layout))
    with atomic_path(path) as temporary:
        inner = temporary.with_name(f"{temporary.name}.inner") if path.suffix == ".zip" else temporary
        _save(inner, origin.form.container, content)
        if inner != temporary:
            with zipfile.ZipFile(temporary, "w") as archive:
                archive.write(inner, "checkpoint.pth.tar")
            inner.unlink()


def drawn_state(origin: Family, architecture: str, layout: str = "") -> State:
    """Fresh tensors of an architecture in the names of a family, on torch's default device; see `write_drawn`."""
    name = f"{architecture}w1" if _PLAIN.fullmatch(architecture) else architecture
    state = dict(build_backbone(name).state_dict())
    for each in origin.layouts:
        if layout in ("", each.name) and (written := _in_layout(each, state)) is not None:
            return written
    raise InputError(f"no layout of family {origin.name} {layout} holds a {architecture}")


def _in_layout(layout: KeyLayout, state: State) -> State | None:
    """The tensors in the names of a layout; None where they are another kind of network's."""
    try:
        written = layout.write(state)
    except (KeyError, IndexError, ValueError):
        return None
    return written if all(anchor in written for anchor in layout.anchors) else None


def _file_content(origin: Family, state: State) -> Mapping[str, Any]:
    form = origin.form
    if form.content:
        return form.content(state)
    tensors = {form.prefix + name: tensor for name, tensor in state.items()}
    tensors |= {name: torch.zeros(1, 1) for name in form.beside}
    return {form.table: tensors, "epoch": 1} if form.table else tensors


def _save(path: Path, container: str, content: Mapping[str, Any]) -> None:
    with path.open("wb") as stream:
        if container == "pickle":
            pickle.dump(content, stream, protocol=2)
        elif container == "npz":
            np.savez(stream, **{name: tensor.numpy() for name, tensor in content.items()})
        else:
            torch.save(content, stream)
