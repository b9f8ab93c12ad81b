"""Folders of torch.distributed.checkpoint: the parts of every tensor joined, and nothing in the files run.

Such a folder has a pickle, `.metadata`, which says where each part of each tensor lies in the files `*.distcp`; each
part is a file of `torch.save` by itself. Our own machine reads the pickle; of the parts, tensors and plain values alone
are read.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinobench.models.loading.container import CheckpointContents
from dinobench.models.loading.wrapping import MAXIMUM_GROWTH
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes, require_regular
from dinobench.runtime.names import safe_name
from dinobench.runtime.pickled_arrays import PickleError
from dinobench.runtime.pickled_names import StandIn
from dinobench.runtime.unpickle import plain_value

_LIBRARIES = frozenset({"torch", "pathlib", "collections"})


@dataclass(frozen=True)
class _Part:
    """Where a part of a tensor lies: in a file, and from which place of the tensor on; None where none is."""

    file: Path
    start: int
    length: int
    corner: tuple[int, ...] | None


class _MisfitError(Exception):
    """Why a folder is not read."""


def open_distributed(metadata: Path) -> CheckpointContents:
    """The whole tensors of a folder, nested as they were saved, and the plain values beside them.

    Args:
        metadata: the folder's file `.metadata`.

    Raises:
        InputError: it is damaged, its parts do not fill its tensors, or a file is not there.
    """
    folder = metadata.parent
    try:
        table = _fields(plain_value(read_bytes(metadata), _LIBRARIES))
        sizes = {name: _size_of(entry) for name, entry in dict(table["state_dict_metadata"]).items()}
        parts = _parts_of(table, folder)
        values, ignored = {}, []
        for name, size in sizes.items():
            if size is not None:
                values[str(name)] = _joined(name, size, parts[name])
            elif (value := _plain(parts[name])) is not None:
                values[str(name)] = value
            else:
                ignored.append(str(name))
    except InputError:
        raise
    except Exception as error:  # whatever damaged bytes lead to
        told = isinstance(error, (_MisfitError, PickleError))
        reason = str(error) if told else f"it is damaged ({type(error).__name__})"
        raise InputError(
            f"cannot read {folder} as a folder of torch.distributed.checkpoint: {reason:.200}; if you trust it, join "
            f"it with `python -m torch.distributed.checkpoint.format_utils dcp_to_torch {folder} OUT.pth`; give OUT.pth"
        ) from error
    return CheckpointContents("torch.distributed", _nested(values, table.get("planner_data")), tuple(ignored))


def _fields(value: Any) -> Mapping[str, Any]:
    """The fields of an object, as its pickle gives them."""
    if not isinstance(value, StandIn) or not isinstance(value.state, dict):
        raise _MisfitError(f"a {type(value).__name__} stands where an object is expected")
    return value.state


def _whole_numbers(value: Any) -> tuple[int, ...]:
    """A `torch.Size` or a tuple of whole numbers."""
    numbers = value.arguments[0] if isinstance(value, StandIn) and value.arguments else value
    if not isinstance(numbers, tuple | list) or not all(type(each) is int and each >= 0 for each in numbers):
        raise _MisfitError("a shape is not a row of whole numbers")
    return tuple(numbers)


def _size_of(entry: Any) -> tuple[int, ...] | None:
    """The shape of a tensor; None for what is none."""
    if isinstance(entry, StandIn) and entry.name.endswith(".BytesStorageMetadata"):
        return None
    return _whole_numbers(_fields(entry)["size"])


def _parts_of(table: Mapping[str, Any], folder: Path) -> Mapping[str, list[_Part]]:
    """The parts of every entry, by its name."""
    found: dict[str, list[_Part]] = defaultdict(list)
    for key, place in dict(table["storage_data"]).items():
        index, fields = _fields(key), _fields(place)
        if fields.get("transform_descriptors"):
            raise _MisfitError("its parts are compressed")
        corner = None if index.get("offset") is None else _whole_numbers(index["offset"])
        start, length = _whole_numbers((fields["offset"], fields["length"]))
        file = folder / safe_name(str(fields["relative_path"]), f"file of {folder}")
        if start + length > require_regular(file).st_size:
            raise _MisfitError(f"{file.name} is truncated")
        found[str(index["fqn"])].append(_Part(file, start, length, corner))
    parts = [part for several in found.values() for part in several]
    if sum(part.length for part in parts) > sum(file.stat().st_size for file in {part.file for part in parts}):
        raise _MisfitError("its parts lie over each other")
    return found


def _joined(name: str, size: tuple[int, ...], parts: list[_Part]) -> Tensor:
    """A tensor of its parts, which must fill it."""
    pieces = [(part.corner or (0,) * len(size), _tensor_of(part)) for part in parts]
    if not pieces or sum(piece.numel() for _, piece in pieces) != math.prod(size):
        raise _MisfitError(f"the parts of {name!r:.80} do not fill its shape {size}")
    whole = torch.zeros(size, dtype=pieces[0][1].dtype)
    for corner, piece in pieces:
        ends = [start + side for start, side in zip(corner, piece.shape, strict=True)]
        if any(end > side for end, side in zip(ends, size, strict=True)):
            raise _MisfitError(f"a part of {name!r:.80} lies outside its shape {size}")
        whole[tuple(slice(start, end) for start, end in zip(corner, ends, strict=True))] = piece
    return whole


def _tensor_of(part: _Part) -> Tensor:
    found = _loaded(part)
    if not isinstance(found, Tensor) or found.layout != torch.strided:
        raise _MisfitError(f"a part in {part.file.name} is not a plain tensor")
    if found.numel() * found.element_size() > part.length:
        raise _MisfitError(f"a part in {part.file.name} repeats its numbers")
    return found


def _plain(parts: list[_Part]) -> Any:
    """A value that is not a tensor, such as the epoch; None where it is more than plain values."""
    try:
        return _loaded(parts[0]) if len(parts) == 1 else None
    except Exception:  # an object of the trainer, of which nothing is needed
        return None


def _loaded(part: _Part) -> Any:
    """What one part holds, tensors and plain values alone; no more bytes than it justifies."""
    with part.file.open("rb") as stream:
        stream.seek(part.start)
        data = stream.read(part.length)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAXIMUM_GROWTH * len(data):
            raise _MisfitError(f"a part in {part.file.name} would unpack to far more than its bytes")
    if b"bytearray" in data:
        raise _MisfitError(f"a part in {part.file.name} holds bytearrays")
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _nested(values: Mapping[str, Any], paths: Any) -> dict[str, Any]:
    """The values by the keys that led to each in the tables that were saved."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = paths.get(name) if isinstance(paths, dict) else None
        *above, last = map(str, path) if isinstance(path, tuple | list) and path else (name,)
        inner = found
        for key in above:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise _MisfitError(f"{name!r:.80} stands in what is not a table")
        inner[last] = value
    return found
