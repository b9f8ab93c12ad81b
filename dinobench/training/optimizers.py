"""Optimizers, their parameter groups, and clipping tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dinobench.runtime.suggest import unknown

MOMENTUM = 0.9
OPTIMIZERS = ("adamw", "sgd", "lars")


class Lars(Optimizer):
    """SGD whose step is scaled, tensor by tensor, to the length of the weights (You et al. 2017).

    Tensors of one dimension (biases, norms) get neither weight decay nor scaling. The ratio is 1 where the weights or
    the update are all zero.

    Args:
        groups: parameter groups.
        lr: learning rate.
        momentum: of the update.
        eta: trust coefficient.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], *, lr: float = 0.0, momentum: float = MOMENTUM, eta: float = 0.001
    ) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, "momentum": momentum, "eta": eta})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move_parameter(parameter, parameter.grad, group)
        return loss

    def _move_parameter(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        update = gradient
        if parameter.ndim > 1:
            update = gradient.add(parameter, alpha=group["weight_decay"])
            lengths = parameter.norm(), update.norm()
            ratio = group["eta"] * lengths[0] / lengths[1]
            update = update * torch.where((lengths[0] > 0) & (lengths[1] > 0), ratio, torch.ones_like(ratio))
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        state["momentum_buffer"].mul_(group["momentum"]).add_(update)
        parameter.add_(state["momentum_buffer"], alpha=-group["lr"])


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """First the parameters that weight decay acts on (more than one dimension), then the rest, whose decay is 0."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim > 1]},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def layered_groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """`parameter_groups` for each block: `rate`, its share of the learning rate, falls by `decay` a block downwards."""
    names = {name: layer_of(name) for name, each in network.named_parameters() if each.requires_grad}
    blocks = 1 + max((layer for layer in names.values() if layer is not None), default=0)
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for name, parameter in network.named_parameters():
        if name not in names:
            continue
        layer = names[name]
        rate, decays = 1.0 if layer is None else decay ** (blocks - layer), parameter.ndim > 1
        group = groups.setdefault((rate, decays), {"params": [], "rate": rate, "decays": decays, "weight_decay": 0.0})
        group["params"].append(parameter)
    return list(groups.values())


_BLOCK = re.compile(r"\.(?:blocks?|stages|layers?|features)[._]?(\d+)\.")
_FINAL_NORM = re.compile(r"[._](?:layer)?norm\.|\.ln\.")


def layer_of(name: str) -> int | None:
    """Block that a parameter belongs to, 0 for the stem and its like; None for final norms and heads."""
    if not name.startswith("backbone."):
        return None
    if found := _BLOCK.search(name):
        return int(found[1]) + 1
    return None if _FINAL_NORM.search(name) and "embed" not in name else 0


def build_optimizer(name: str, network: nn.Module, layer_decay: float = 1.0) -> Optimizer:
    """Build "adamw", "sgd" or "lars" over `parameter_groups`; learning rate and decay are set at every step.

    With a `layer_decay` below 1, over `layered_groups`.

    Raises:
        InputError: another name.
    """
    groups = parameter_groups(network) if layer_decay == 1 else layered_groups(network, layer_decay)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, fused=True)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=MOMENTUM)
    if name == "lars":
        return Lars(groups)
    raise unknown("optimizer", name, OPTIMIZERS)


def set_schedules(optimizer: Optimizer, *, lr: float, weight_decay: float) -> None:
    """Set the learning rate of all groups and the decay of those that have one: the first where none says so."""
    for number, group in enumerate(optimizer.param_groups):
        group["lr"] = lr * group.get("rate", 1.0)
        if group.get("decays", number == 0):
            group["weight_decay"] = weight_decay


@torch.no_grad()
def clip_each(parameters: Iterable[Tensor], limit: float) -> list[Tensor]:
    """Scale each gradient tensor on its own to a norm of at most `limit`; 0 leaves them as they are.

    Returns:
        The norms before clipping, of the parameters that have a gradient, as tensors on their device.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = list(torch._foreach_norm(gradients))
    if limit:
        factors = torch._foreach_reciprocal(torch._foreach_add(norms, 1e-6))
        torch._foreach_mul_(factors, limit)
        torch._foreach_clamp_max_(factors, 1.0)
        torch._foreach_mul_(gradients, factors)
    return norms
