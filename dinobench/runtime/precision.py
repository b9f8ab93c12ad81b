"""In which numbers a network computes: one name, one autocast, and one word where the CPU cannot do it fast."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch

from dinobench.runtime.console import announce
from dinobench.runtime.suggest import unknown

INFERENCE = ("fp32", "bf16")
"""Precisions for frozen networks; fp16 is for training with a gradient scaler, and brings nothing here."""

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(precision: str, allowed: Sequence[str] = INFERENCE) -> None:
    """Refuse a precision that is not among `allowed`.

    Raises:
        InputError: it is not.
    """
    if precision not in allowed:
        raise unknown("precision", precision, allowed)


def autocast(device: torch.device, precision: str, allowed: Sequence[str] = INFERENCE) -> torch.autocast:
    """Context in which layers compute in `precision`; "fp32" leaves everything as it is.

    Args:
        device: where the tensors are.
        precision: "fp32", "bf16" or "fp16".
        allowed: the precisions that make sense to the caller.

    Raises:
        InputError: another precision.
    """
    check_precision(precision, allowed)
    if precision == "bf16" and device.type == "cpu":
        _warn_of_imitation()
    return torch.autocast(device.type, _TYPES[precision], enabled=precision != "fp32")


@functools.cache
def _warn_of_imitation() -> None:
    """Once per process: bf16 on a CPU without it is slower than fp32, which nobody who asked for it expects."""
    if not cpu_has_bf16():
        announce("warning: this CPU has no bf16 arithmetic and imitates it, several times slower than precision=fp32")


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 numbers itself, twice as fast as float32."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False  # a build without oneDNN, whose own bf16 products are slow everywhere
