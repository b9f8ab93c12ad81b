"""Low-rank adapters of attention: W + B A in place of a weight W, where A and B alone learn (Hu et al. 2021).

They are parametrizations of the weights and not layers around them (as those of peft are): the last block of a vision
transformer reads the thirds of a joint weight for the class token, and calls no layer that could be wrapped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dinobench.runtime.errors import InputError

_ATTENTION = re.compile(r"(?:^|[._])(?:self_?)?att(?:n|ention)(?:[._]|$)")


class LowRank(nn.Module):
    """The parametrization W -> W + B A of a weight (out, in); B is zero at first, so nothing changes.

    Args:
        weight: W, (out, in).
        rank: rows of A (rank, in) and columns of B (out, rank).
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.down = nn.Parameter(torch.empty(rank, inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.up @ self.down


def add_adapters(backbone: nn.Module, rank: int) -> int:
    """Let adapters of `rank` on each matrix of the attention learn, and nothing else of the backbone.

    Returns:
        How many matrices have one.

    Raises:
        InputError: the backbone has no attention, or its matrices are smaller than the rank.
    """
    weights = list(_attention_weights(backbone))
    if not weights:
        raise InputError(f"adapter_rank = {rank} adapts attention, and this backbone has none; set adapter_rank=0")
    narrowest = min(min(getattr(module, name).shape) for module, name in weights)
    if rank > narrowest:
        raise InputError(f"adapter_rank = {rank} is above the attention's width of {narrowest}; lower it")
    backbone.requires_grad_(False)
    for module, name in weights:
        parametrize.register_parametrization(module, name, LowRank(getattr(module, name), rank))
    return len(weights)


def _attention_weights(backbone: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for name, module in backbone.named_modules():
        joint = isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None
        if joint or (isinstance(module, nn.Linear) and _ATTENTION.search(name)):
            yield module, "in_proj_weight" if joint else "weight"


def _adapted(network: nn.Module) -> Iterator[tuple[str, str, Tensor]]:
    """Name, prefix of its parts, and the value of each adapted weight."""
    for path, module in network.named_modules():
        if parametrize.is_parametrized(module):
            for name, parts in cast(nn.ModuleDict, module.parametrizations).items():
                if any(isinstance(part, LowRank) for part in cast(nn.ModuleList, parts)):
                    yield f"{path}.{name}", f"{path}.parametrizations.{name}.", getattr(module, name)


def adapted_weights(network: nn.Module) -> dict[str, Tensor]:
    """W + B A of each adapted weight, by the name of W."""
    return {name: weight for name, _, weight in _adapted(network)}


@torch.no_grad()
def merged_state(network: nn.Module) -> dict[str, Tensor]:
    """The state of the same network without adapters: W + B A in place of W, A and B."""
    parts = adapter_state(network)
    plain = {name: tensor for name, tensor in network.state_dict().items() if name not in parts}
    return {**plain, **{name: weight.detach() for name, weight in adapted_weights(network).items()}}


def adapter_state(network: nn.Module) -> dict[str, Tensor]:
    """W, A and B of each adapted weight; empty without adapters."""
    prefixes = tuple(prefix for _, prefix, _ in _adapted(network))
    return {name: tensor for name, tensor in network.state_dict().items() if prefixes and name.startswith(prefixes)}


def load_merged(network: nn.Module, state: Mapping[str, Tensor], adapters: Mapping[str, Tensor]) -> None:
    """Put back what `merged_state` and `adapter_state` gave.

    Raises:
        RuntimeError: the tensors are not those of the network.
    """
    merged = adapted_weights(network)
    network.load_state_dict({**{name: each for name, each in state.items() if name not in merged}, **adapters})
