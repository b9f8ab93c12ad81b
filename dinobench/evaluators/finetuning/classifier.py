"""The network that is fine-tuned: a backbone and a linear head on its class token."""

from __future__ import annotations

import re
from typing import Any

import torch
from timm.layers import DropPath
from torch import Tensor, nn

from dinobench.evaluators.finetuning.recipe import Recipe
from dinobench.models.backbone import Backbone
from dinobench.runtime.errors import InputError

_HEAD_STD = 0.02


class Classifier(nn.Module):
    """Class scores from a backbone's class token (a convnet's pooled output)."""

    def __init__(self, backbone: Backbone, classes: int, head_scale: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.dim, classes)
        nn.init.trunc_normal_(self.head.weight, std=_HEAD_STD)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.weight.mul_(head_scale)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, classes)."""
        scores: Tensor = self.head(self.backbone.class_token(images))
        return scores

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """How timm finds a parameter's depth, for layer decay: embedding, each block, then final norm with head."""
        return {
            "embedding": r"^backbone\.(?!(?:.*\.)?(?:blocks|norm)\.)",
            "blocks": r"^backbone\.(?:.*\.)?blocks\.(\d+)",
        }


def build_classifier(backbone: Backbone, classes: int, recipe: Recipe) -> Classifier:
    """A classifier whose every parameter is trained.

    Raises:
        InputError: the recipe asks for stochastic depth or layer decay, which the backbone cannot give.
    """
    set_drop_path(backbone, recipe.drop_path)
    model = Classifier(backbone, classes, recipe.head_scale)
    has_blocks = any(re.search(r"\bblocks\.\d+", name) for name, _ in model.named_parameters())
    if recipe.layer_decay < 1 and not has_blocks:
        raise InputError("this backbone has no numbered blocks for layer_decay; use --set layer_decay=1.0")
    model.requires_grad_(True)
    return model.to(memory_format=torch.channels_last) if recipe.channels_last else model


def set_drop_path(backbone: Backbone, rate: float) -> None:
    """Set stochastic depth, growing linearly from 0 to `rate` at the last block.

    Raises:
        InputError: the backbone has no place for it and the rate is not 0.
    """
    blocks = [module for name, module in backbone.named_modules() if re.fullmatch(r"(.*\.)?blocks\.\d+", name)]
    places = [[name for name, _ in block.named_children() if name.startswith("drop_path")] for block in blocks]
    if rate and not any(places):
        raise InputError(f"this backbone has no stochastic depth for drop_path={rate}; use --set drop_path=0.0")
    for index, (block, names) in enumerate(zip(blocks, places, strict=True)):
        for name in names:
            setattr(block, name, DropPath(rate * index / max(len(blocks) - 1, 1)))
