"""Checkpoint files opened without running any code that may be in them."""

from __future__ import annotations

import argparse
import math
import mmap
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from dinobench.models.loading.haiku import open_haiku
from dinobench.models.loading.state_dict import first_names, flatten
from dinobench.models.loading.tensorflow_file import INDEX, is_index, open_tensorflow, unpacked_index
from dinobench.models.loading.wrapping import MAXIMUM_GROWTH, unpacked, wrapped_member
from dinobench.runtime.errors import InputError

# Modules whose pickled names act when called. Their presence is an attack or a mistake: refuse the file.
ACTIVE = frozenset(
    {
        "builtins",
        "__builtin__",
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
        "shutil",
        "socket",
        "runpy",
        "importlib",
        "ctypes",
        "pty",
        "code",
        "commands",
        "pickle",
        "_pickle",
        "marshal",
        "webbrowser",
        "asyncio",
        "multiprocessing",
        "pdb",
        "cProfile",
        "profile",
        "timeit",
        "operator",
        "pip",
        "urllib",
        "http",
        "requests",
    }
)
HARMLESS = frozenset(
    {
        "builtins.list",
        "builtins.dict",
        "builtins.set",
        "builtins.frozenset",
        "builtins.tuple",
        "builtins.int",
        "builtins.float",
        "builtins.bool",
        "builtins.str",
        "builtins.bytes",
        "builtins.slice",
    }
)

# The magic number, a long integer, with which torch's files began before version 1.6.
LEGACY = (b"\x8a",)
# Tensors may share memory (tied weights, one table under two names), but no more often than this.
MAXIMUM_SHARING = 16


@dataclass(frozen=True)
class CheckpointContents:
    """What a checkpoint file holds.

    Attributes:
        kind: "torch", "safetensors", "npz", "pickle" or "tensorflow".
        content: nested mappings and tensors, as stored.
        ignored: names of pickled objects that stand in the file but were not built.
    """

    kind: str
    content: Mapping[str, Any]
    ignored: tuple[str, ...] = ()


class Inert:
    """Stands for a pickled object that dinobench has no use for: takes whatever state it is given, does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...

    def __setitem__(self, key: object, value: object) -> None: ...


def open_container(path: Path) -> CheckpointContents:
    """Open a checkpoint by its first bytes, whatever its name.

    Torch archives and safetensors are memory-mapped, so that opening costs little memory.

    Raises:
        InputError: missing, empty, truncated, of another kind, or with pickled code.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
        if not start:
            raise InputError(f"{path} is empty; download or save it again")
        contents = _open_by_first_bytes(path, start)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    _refuse_inflated(path, contents)
    return contents


def _open_by_first_bytes(path: Path, start: bytes) -> CheckpointContents:
    if start.startswith(b"PK"):
        return _open_zip(path)
    if is_index(path):
        return CheckpointContents("tensorflow", *open_tensorflow(path))
    if len(start) > 8 and start[8:9] == b"{":
        return _open_safetensors(path)
    if start.startswith(b"\x80") and start[2:3] not in LEGACY:
        return CheckpointContents("pickle", *open_haiku(path))
    if start.startswith(b"\x80") or b"ustar" in start:
        return _open_torch(path, mapped=False)
    raise InputError(f"{path} is not a checkpoint (torch, safetensors or npz); it starts with {start[:8]!r}")


def _refuse_inflated(path: Path, contents: CheckpointContents) -> None:
    """Refuse tensors that claim more memory than the file holds: views that repeat their numbers, or names that do."""
    try:
        tensors = flatten(contents.content)
    except InputError as error:
        raise InputError(f"{path} holds {error}") from error
    held: dict[int, int] = {}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta:
            continue
        storage = tensor.untyped_storage()
        if tensor.numel() * tensor.element_size() > storage.nbytes():
            raise InputError(
                f"{path}: {first_names([name])} repeats {storage.nbytes()} bytes as {tuple(tensor.shape)}; refused"
            )
        held[storage.data_ptr()] = storage.nbytes()
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if claimed > MAXIMUM_SHARING * (sum(held.values()) + path.stat().st_size):
        raise InputError(f"{path} names the same numbers again and again, {claimed / 1e9:.1f} GB in all; refused")


def _open_zip(path: Path) -> CheckpointContents:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{path} is truncated or damaged ({_short_error(error)}); download or save it again"
        ) from error
    size = sum(member.file_size for member in members)
    if size > MAXIMUM_GROWTH * path.stat().st_size:
        raise InputError(f"{path} would unpack to {size / 1e9:.1f} GB from {path.stat().st_size / 1e6:.1f} MB; refused")
    names = [member.filename for member in members]
    if any(name.endswith(INDEX) for name in names):
        with unpacked_index(path, members) as index:
            return CheckpointContents("tensorflow", *open_tensorflow(index))
    if (inner := wrapped_member(path, members)) is not None:
        with unpacked(path, inner) as file:
            return open_container(file)
    if names and all(name.endswith(".npy") for name in names):
        return _open_npz(path)
    if any("/code/" in name or name.endswith("constants.pkl") for name in names):
        raise InputError(
            f"{path} is a TorchScript program, not a table of tensors; if you trust it, save its tensors in Python: "
            f"{_saving_lines('torch.jit.load', path)}"
        )
    return _open_torch(path, mapped=True)


def _saving_lines(load: str, path: Path, options: str = "") -> str:
    """The two Python lines that make a table of tensors of a file whose code the user trusts."""
    return f"module = {load}({path.name!r}{options}); torch.save(module.state_dict(), 'state_dict.pth')"


def _open_npz(path: Path) -> CheckpointContents:
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {member.filename.removesuffix(".npy"): _array_of(archive, member) for member in archive.infolist()}
        return CheckpointContents("npz", {name: torch.from_numpy(array) for name, array in arrays.items()})
    except OSError:
        raise
    except Exception as error:  # whatever zlib, zipfile and NumPy raise on damaged bytes
        raise InputError(f"{path} is a damaged or pickled npz ({_short_error(error)}); save plain arrays") from error


def _array_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array of an npz, read only where its header claims no more than the member holds."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} claims shape {shape} in {member.file_size} bytes")
    with archive.open(member) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def _open_safetensors(path: Path) -> CheckpointContents:
    try:
        with safe_open(path, framework="pt") as archive:
            return CheckpointContents("safetensors", {name: archive.get_tensor(name) for name in archive.keys()})  # noqa: SIM118
    except OSError:
        raise
    except Exception as error:  # whatever a damaged header leads to
        raise InputError(
            f"{path} is truncated or damaged ({_short_error(error)}); download or save it again"
        ) from error


def _open_torch(path: Path, *, mapped: bool) -> CheckpointContents:
    unknown = _unknown_globals(path) if mapped else ()
    active = [name for name in unknown if name.split(".")[0] in ACTIVE and name not in HARMLESS]
    if active:
        raise InputError(f"{path} holds pickled code ({active[0]}), not just tensors; refused, do not trust this file")
    _refuse_byte_arrays(path)
    allowed: list[Any] = [argparse.Namespace, *((Inert, name) for name in unknown)]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds more than tensors ({_refused_global(error)}); if you trust it, save its tensors in Python: "
            f"{_saving_lines('torch.load', path, ', weights_only=False')}"
        ) from error
    except Exception as error:  # whatever damaged bytes lead to: AssertionError, OverflowError, MemoryError, ...
        raise InputError(
            f"{path} is truncated or damaged ({_short_error(error)}); download or save it again"
        ) from error
    if isinstance(content, Tensor) or not isinstance(content, Mapping):
        kind = unknown[0] if isinstance(content, Inert) and unknown else type(content).__name__
        raise InputError(
            f"{path} holds one {kind}, not a table of tensors; if you trust it, save its tensors in Python: "
            f"{_saving_lines('torch.load', path, ', weights_only=False')}"
        )
    return CheckpointContents("torch", content, unknown)


def _refuse_byte_arrays(path: Path) -> None:
    """A pickle may ask for a bytearray of any length; no checkpoint needs one."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find(b"bytearray") >= 0:
            raise InputError(f"{path} holds bytearrays, not just tensors; save its state_dict() instead")


def _unknown_globals(path: Path) -> tuple[str, ...]:
    """Pickled names outside torch's own list and ours."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception as error:  # whatever a damaged pickle raises while it is only being read
        raise InputError(
            f"{path} is truncated or damaged ({_short_error(error)}); download or save it again"
        ) from error
    return tuple(sorted(set(names) - {"argparse.Namespace"}))


def _refused_global(error: Exception) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return found[1] if found else _short_error(error)


def _short_error(error: Exception) -> str:
    """The first sentence of an error, short enough for one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__
