"""Transformer blocks through torch.compile, for training on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from dinobench.runtime.compiler import needs_compiler
from dinobench.runtime.errors import InputError

# One piece of code serves all blocks: student and teacher, both sizes of view, a first block without stochastic depth,
# a last one that asks for the class token alone. torch gives up quietly after eight such variants.
_VARIANTS = 64


def compile_blocks(network: nn.Module, device: torch.device, backend: str = "inductor") -> None:
    """Compile every block of `network` in place; names of parameters stay as they are.

    Blocks and not the whole network: their shapes are few, and one compiled block serves for all.

    Args:
        network: holds a vision transformer with `blocks`, ours or timm's.
        device: where it will run.
        backend: of torch.compile.

    Raises:
        InputError: `network` has no such blocks, or there is no compiler.
    """
    blocks = list(_network_blocks(network))
    if not blocks:
        raise InputError("compile = true needs a vision transformer, whose blocks it compiles; leave it out")
    with needs_compiler():
        torch.compile(torch.neg, backend=backend)(torch.zeros(1, device=device))
    import torch._dynamo.config as dynamo  # here: it takes seconds

    limit = "recompile_limit" if hasattr(dynamo, "recompile_limit") else "cache_size_limit"  # before torch 2.7
    setattr(dynamo, limit, max(getattr(dynamo, limit), _VARIANTS))
    for block in blocks:
        block.compile(backend=backend)


def _network_blocks(network: nn.Module) -> Iterator[nn.Module]:
    for module in network.modules():
        held = getattr(module, "blocks", None)
        if isinstance(held, nn.ModuleList | nn.Sequential):
            yield from held
