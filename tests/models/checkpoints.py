"""Checkpoints in each family's real key layout, with the features that their own modules give.

Every function returns the content of a file and the reference's features for `IMAGES`. The modules are those of
torchvision, timm and transformers, with random weights; containers and prefixes are written from facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from timm.models import VisionTransformer as TimmViT
from torch import Tensor, nn

State = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A checkpoint, the family that it is, and what its own module computes."""

    content: Mapping[str, Any]
    family: str
    images: Tensor
    cls: Tensor
    patches: Tensor | None = None


CASES: dict[str, Callable[[], Case]] = {}


def case(function: Callable[[], Case]) -> Callable[[], Case]:
    CASES[function.__name__] = function
    return function


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter and running statistic away from its default, so that a dropped one shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            scale = 0.02 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
            parameter.copy_(
                (1.0 if _is_gain(name, parameter) else 0.0) + (0.1 if parameter.ndim < 2 else scale) * noise
            )
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(1 + torch.rand(buffer.shape, generator=generator))
    return module.eval()


def _is_gain(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 1 and name.endswith(("weight", "gamma", "lambda1", "gamma_1", "gamma_2"))


def images(size: int = 32, *, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(7))


def prefixed(state: Mapping[str, Tensor], prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


def timm_vit(seed: int = 0, **options: Any) -> TimmViT:
    """A small ViT of timm's with DINO's names and epsilon."""
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 128, "depth": 2, "num_heads": 2, "num_classes": 0}
    return randomized(TimmViT(**{**shape, **options}), seed)


def vit_case(content: Callable[[State], Mapping[str, Any]], family: str, **options: Any) -> Case:
    model = timm_vit(**options)
    x = images()
    with torch.no_grad():
        tokens = model.forward_features(x)
    return Case(content(dict(model.state_dict())), family, x, tokens[:, 0], tokens[:, model.num_prefix_tokens :])


def head(width: int = 128) -> State:
    """DINO's projection head."""
    layers = {f"head.mlp.{i}.weight": torch.randn(8, width) for i in (0, 2, 4)}
    return {**layers, "head.last_layer.weight_g": torch.ones(5, 1), "head.last_layer.weight_v": torch.randn(5, 8)}


def other(seed: int = 5, **options: Any) -> State:
    """A second network of the same shape, which must not be taken."""
    return dict(timm_vit(seed, **options).state_dict())
