"""Checkpoint files opened without running any code that may be in them."""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

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

# A compressed archive that grows by more than this is a bomb: trained weights hardly compress.
MAXIMUM_GROWTH = 50


@dataclass(frozen=True)
class Contents:
    """What a checkpoint file holds.

    Attributes:
        kind: "torch", "safetensors" or "npz".
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


def open_container(path: Path) -> Contents:
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
        if start.startswith(b"PK"):
            return _open_zip(path)
        if len(start) > 8 and start[8:9] == b"{":
            return _open_safetensors(path)
        if start.startswith(b"\x80") or b"ustar" in start:
            return _open_torch(path, mapped=False)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    raise InputError(f"{path} is no checkpoint (torch, safetensors or npz); it starts with {start[:8]!r}")


def _open_zip(path: Path) -> Contents:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); download or save it again") from error
    size = sum(member.file_size for member in members)
    if size > MAXIMUM_GROWTH * path.stat().st_size:
        raise InputError(f"{path} would unpack to {size / 1e9:.1f} GB from {path.stat().st_size / 1e6:.1f} MB; refused")
    names = [member.filename for member in members]
    if names and all(name.endswith(".npy") for name in names):
        return _open_npz(path)
    if any("/code/" in name or name.endswith("constants.pkl") for name in names):
        raise InputError(f"{path} is a TorchScript program, not a table of tensors; save its state_dict() instead")
    return _open_torch(path, mapped=True)


def _open_npz(path: Path) -> Contents:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return Contents("npz", {name: torch.from_numpy(array) for name, array in arrays.items()})
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is a damaged or pickled npz ({_line(error)}); save plain arrays") from error


def _open_safetensors(path: Path) -> Contents:
    try:
        with safe_open(path, framework="pt") as archive:
            return Contents("safetensors", {name: archive.get_tensor(name) for name in archive.keys()})  # noqa: SIM118
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is truncated or damaged ({_line(error)}); download or save it again") from error


def _open_torch(path: Path, *, mapped: bool) -> Contents:
    unknown = _unknown_globals(path) if mapped else ()
    active = [name for name in unknown if name.split(".")[0] in ACTIVE and name not in HARMLESS]
    if active:
        raise InputError(f"{path} holds pickled code ({active[0]}), not just tensors; refused, do not trust this file")
    allowed: list[Any] = [argparse.Namespace, *((Inert, name) for name in unknown)]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds more than tensors ({_culprit(error)}); save its state_dict() instead"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise InputError(f"{path} is truncated or damaged ({_line(error)}); download or save it again") from error
    if isinstance(content, Tensor) or not isinstance(content, Mapping):
        kind = unknown[0] if isinstance(content, Inert) else type(content).__name__
        raise InputError(f"{path} holds one {kind}, not a table of tensors; save its state_dict() instead")
    return Contents("torch", content, unknown)


def _unknown_globals(path: Path) -> tuple[str, ...]:
    """Pickled names outside torch's own list and ours."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception as error:  # whatever a damaged pickle raises while it is only being read
        raise InputError(f"{path} is truncated or damaged ({_line(error)}); download or save it again") from error
    return tuple(sorted(set(names) - {"argparse.Namespace"}))


def _culprit(error: Exception) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return found[1] if found else _line(error)


def _line(error: Exception) -> str:
    """The first sentence of an error, short enough for one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__
