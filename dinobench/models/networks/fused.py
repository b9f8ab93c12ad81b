"""A linear layer and its GELU in one kernel, for frozen networks on a CPU."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.runtime.cpu import HAS_ONLY_AVX2

# Largest error of the one kernel beside the two, for outputs of the order of 1; a bf16 number has 8 bits.
_WORST_ERROR = {torch.float32: 1e-6, torch.bfloat16: 2e-2}


def linear_gelu(linear: nn.Linear, tokens: Tensor) -> Tensor:
    """GELU(linear(tokens)), exact (erf): (..., D) -> (..., H).

    oneDNN applies the GELU while the product's tile is still in the cache, which spares a fourth of this layer's time
    with AVX-512. With AVX2 its GELU costs more than that. It has no gradient, so that training keeps the two kernels.
    """
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else tokens.dtype
    fused = (
        not torch.compiler.is_compiling()  # which fuses the two itself
        and tokens.device.type == "cpu"
        and not HAS_ONLY_AVX2
        and not torch.is_grad_enabled()
        and dtype in _WORST_ERROR
        and _one_kernel_works(dtype)
    )
    if not fused:
        return F.gelu(linear(tokens))
    bias = None if linear.bias is None else linear.bias.to(dtype)
    return _one_kernel(tokens.to(dtype), linear.weight.to(dtype), bias)


def _one_kernel(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    out: Tensor = torch.ops.mkldnn._linear_pointwise(tokens, weight, bias, "gelu", [], "none")
    return out


@functools.cache
def _one_kernel_works(dtype: torch.dtype) -> bool:
    """Whether this build and CPU have the kernel for `dtype`, and it computes what it should.

    CPUs without AVX-512 have none for bf16.
    """
    generator = torch.Generator().manual_seed(0)
    tokens, weight = ((torch.randn(64, 64, generator=generator, device="cpu") / 8).to(dtype) for _ in range(2))
    try:
        found = _one_kernel(tokens, weight, None)
    except (AttributeError, RuntimeError):
        return False
    with torch.autocast("cpu", enabled=False):
        return bool((found - F.gelu(F.linear(tokens, weight))).abs().max() < _WORST_ERROR[dtype])
