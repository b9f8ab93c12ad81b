"""Which device a run uses, chosen at run time."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from dinobench.runtime.cpu import tune_cpu
from dinobench.runtime.errors import InputError


def pick_device(name: str | None = None) -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1", "mps"); None or "auto": CUDA, else MPS, else CPU.

    Raises:
        InputError: no such device here. Never falls back to a slower one unasked.
    """
    if name in (None, "auto"):
        return torch.device(_best_available())
    try:
        device = torch.device(str(name))
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; use cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {name} was asked for but no CUDA device is visible; use --set device=cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device {name} was asked for but MPS is not available; use --set device=cpu")
    return device


def _best_available() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


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
    """Memory of a CUDA device, or of the machine for "cpu"; None where nobody tells."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type != "cpu" or not hasattr(os, "sysconf"):  # Windows has no sysconf
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def device_name(device: torch.device) -> str:
    """What a record calls the device: the GPU's product name, or "cpu (N threads)"."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type} ({torch.get_num_threads()} threads)"


def peak_device_memory(device: torch.device) -> int:
    """The most memory that this process took on a CUDA device, in bytes; 0 for devices that do not count it."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else 0


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
