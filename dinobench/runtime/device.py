"""Which device a run uses, chosen at run time; the one room that knows the kinds of devices and what each can do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from dinobench.runtime.cpu import tune_cpu
from dinobench.runtime.device_kinds import DEVICE_CHOICES, DEVICE_KINDS, DeviceKind
from dinobench.runtime.errors import InputError


def kind_of(device: torch.device) -> DeviceKind:
    """What torch can do on `device`; a kind that is not known can do what a CPU can."""
    return DEVICE_KINDS.get(device.type, DeviceKind())


def pick_device(name: str | None = None) -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1", "mps", "xpu"); None or "auto": the fastest kind there is.

    Raises:
        InputError: no such device here. Never falls back to a slower one unasked.
    """
    if name in (None, "auto"):
        return torch.device(next(kind for kind in DEVICE_KINDS if _is_available(kind)))
    try:
        device = torch.device(str(name))
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; use {DEVICE_CHOICES}") from error
    if device.type in DEVICE_KINDS and not _is_available(device.type):
        raise InputError(f"device {name} is given but no {device.type.upper()} device is visible; use --device cpu")
    return device


def _is_available(kind: str) -> bool:
    return kind == "cpu" or bool(_torch_module(kind).is_available())


def _torch_module(kind: str) -> Any:
    """torch.cuda, torch.mps, torch.xpu."""
    return torch.get_device_module(kind)


def all_devices() -> list[str]:
    """The names of all devices of the fastest kind, such as cuda:0 and cuda:1; ["auto"] where they have no numbers."""
    kind = pick_device().type
    if not DEVICE_KINDS[kind].is_counted:
        return ["auto"]
    return [f"{kind}:{number}" for number in range(_torch_module(kind).device_count())]


def visible_devices(device: torch.device) -> int:
    """How many devices of this one's kind the process sees; 0 where they have no numbers."""
    return int(_torch_module(device.type).device_count()) if kind_of(device).is_counted else 0


def use_device(device: torch.device) -> str:
    """Make `device` the process's own; returns the mark of that piece of hardware, the same in every process."""
    module = _torch_module(device.type)
    module.set_device(device)
    return str(getattr(module.get_device_properties(device.index), "uuid", device.index))


def group_device(backend: str) -> torch.device:
    """Where the tensors lie that a group of processes exchanges by `backend`."""
    carried = (name for name, kind in DEVICE_KINDS.items() if kind.group_backend == backend and kind.is_counted)
    return torch.device(next(carried, "cpu"))


def prepare_device(device: torch.device) -> None:
    """Settings of the process that make float32 on `device` exact, and fast where that costs nothing.

    A CPU gets `tune_cpu`. On CUDA, convolutions leave TF32, torch's default, which keeps 10 bits of 23: the published
    figures come from GPUs that have none. Products are in float32 there unless someone asks for less, which the CPU's
    setting would do: it is one setting for both.
    """
    if device.type == "cpu":
        tune_cpu()
    elif device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False


def memory_bytes(device: torch.device) -> int | None:
    """Memory of a GPU, or of the machine for "cpu"; None where nobody tells."""
    if kind_of(device).is_counted:
        return int(_torch_module(device.type).get_device_properties(device).total_memory)
    if device.type != "cpu" or not hasattr(os, "sysconf"):  # Windows has no sysconf
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def device_name(device: torch.device) -> str:
    """What a record calls the device: the GPU's product name, or "cpu (N threads)"."""
    if kind_of(device).is_counted:
        return str(_torch_module(device.type).get_device_name(device))
    return f"{device.type} ({torch.get_num_threads()} threads)"


def wait_for(device: torch.device) -> None:
    """Return when `device` has done what it was given: reading a value waits for a device of any kind."""
    if device.type != "cpu":
        torch.zeros(1, device=device).item()


def peak_device_memory(device: torch.device) -> int:
    """The most memory that this process took on a GPU, in bytes; 0 for devices that do not count it."""
    return int(_torch_module(device.type).max_memory_allocated(device)) if kind_of(device).is_counted else 0


def accelerator_versions() -> dict[str, str]:
    """The instructions that torch uses on this CPU; CUDA's version and the driver's, where there is a GPU."""
    found = {"cpu_instructions": torch.backends.cpu.get_cpu_capability()}
    if torch.version.cuda and torch.cuda.is_available():
        found |= {"cuda": torch.version.cuda, "cuda_driver": _driver_version()}
    return found


def _driver_version() -> str:
    """The driver of NVIDIA's GPUs; "" where the system does not tell it."""
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
