"""Low-rank adapters merged into the weights that they adapt, where a peft configuration beside the file says how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dinobench.models.loading.state_dict import State
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json

_DOWN = re.compile(r"(.*)\.lora_A((?:\.\w+)?\.weight)$")


def lora_scale(configuration: Path) -> float:
    """What the product of the two factors is multiplied with: lora_alpha / r, 0 where no LoRA configuration is there.

    Raises:
        InputError: a configuration of another kind of adapter, or one without its numbers.
    """
    if not configuration.is_file():
        return 0.0
    facts = read_json(configuration)
    if not isinstance(facts, Mapping) or facts.get("peft_type") != "LORA" or facts.get("use_dora"):
        raise InputError(f"{configuration} is not of a plain LoRA; merge the adapter into the weights and save those")
    rank, alpha = facts.get("r"), facts.get("lora_alpha")
    if type(rank) is not int or rank < 1 or not isinstance(alpha, (int, float)) or facts.get("rank_pattern"):
        raise InputError(f"{configuration} has no one r and lora_alpha; merge the adapter and save the weights")
    return float(alpha) / (rank**0.5 if facts.get("use_rslora") else rank)


def merged(state: Mapping[str, Tensor], scale: float) -> tuple[State, int]:
    """The tensors with W + scale * B A in place of W, A and B; how many were merged."""
    plain = {name.replace(".base_layer.", "."): tensor for name, tensor in state.items()}
    pairs = [found for name in plain if (found := _DOWN.match(name))]
    count = 0
    for found in pairs:
        down, up, weight = found[0], f"{found[1]}.lora_B{found[2]}", f"{found[1]}.weight"
        if up not in plain or weight not in plain or _product_shape(plain[up], plain[down]) != plain[weight].shape:
            continue
        product = plain.pop(up).float() @ plain.pop(down).float()
        plain[weight] = plain[weight].float() + scale * product
        count += 1
    return plain, count


def _product_shape(up: Tensor, down: Tensor) -> tuple[int, ...]:
    fits = up.ndim == down.ndim == 2 and up.shape[1] == down.shape[0]
    return (up.shape[0], down.shape[1]) if fits else ()
