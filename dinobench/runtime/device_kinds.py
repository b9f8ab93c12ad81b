"""The kinds of devices and what torch can do on each, known without loading torch."""

from __future__ import annotations

from dataclasses import dataclass

from dinobench.runtime.errors import InputError


@dataclass(frozen=True)
class DeviceKind:
    """What torch can do on devices of one kind."""

    group_backend: str = "gloo"  # what carries tensors between processes
    synchronizes_norms: bool = False  # torch has batch norm over all processes
    pins_memory: bool = False  # a copy from pinned memory runs beside the computation
    is_counted: bool = False  # several in one machine, each with a number


# By the fastest first: the order in which "auto" takes them.
DEVICE_KINDS = {
    "cuda": DeviceKind(group_backend="nccl", synchronizes_norms=True, pins_memory=True, is_counted=True),
    "xpu": DeviceKind(group_backend="xccl", synchronizes_norms=True, pins_memory=True, is_counted=True),
    "mps": DeviceKind(),
    "cpu": DeviceKind(),
}
DEVICE_CHOICES = "cpu, cuda, cuda:N, mps or xpu"


def refuse_unknown_kind(name: str) -> None:
    """Refuse a device of no known kind.

    Raises:
        InputError: it names what may be given.
    """
    if name != "auto" and name.partition(":")[0] not in DEVICE_KINDS:
        raise InputError(f"unknown device {name!r}; use {DEVICE_CHOICES}")
