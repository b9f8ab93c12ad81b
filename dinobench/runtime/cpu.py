"""The kind of CPU, and two process-wide settings that make torch on it 2 to 3 times faster: results move by rounding.

DINOBENCH_NO_TUNING=1 leaves both settings as they are.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

import torch

HAS_ONLY_AVX2: bool = torch.backends.cpu.get_cpu_capability() == "AVX2"
"""Whether torch's kernels use AVX2 here and no AVX-512: other ways of computing are the fastest then."""

# glibc's mallopt parameters (malloc.h) and the values that keep freed blocks in the process: by default every large
# tensor is given back to the kernel when freed, and its pages are faulted in again by the next operation.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_TOP_PAD_BYTES = 64 << 20
_WORST_ERROR = 2e-6  # of a float32 product relative to float64; bf16 products err by 1e-3


@functools.cache
def tune_cpu() -> None:
    """Keep freed memory in the process, and let oneDNN multiply float32 matrices where it does so in float32."""
    if os.environ.get("DINOBENCH_NO_TUNING", "0") not in ("", "0"):
        return
    if sys.platform == "linux":
        _keep_freed_memory()
    _use_onednn()


def _keep_freed_memory() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library than glibc
    mallopt(_TRIM_THRESHOLD, -1)
    mallopt(_TOP_PAD, _TOP_PAD_BYTES)
    mallopt(_MMAP_MAX, 0)


def _use_onednn() -> None:
    """Ask for "medium", which allows bf16 products: CPUs without bf16 matrix units still compute in float32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    if _product_error() > _WORST_ERROR:
        torch.set_float32_matmul_precision(before)


def _product_error() -> float:
    """Largest error of a float32 linear layer relative to its largest output; draws from a generator of its own."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 384, generator=generator) for _ in range(2))
    exact = left.double() @ right.double().T
    error = torch.nn.functional.linear(left, right).double() - exact
    return float(error.abs().max() / exact.abs().max())
