"""The network that is fine-tuned: a backbone and a linear head on its class token."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dinobench.evaluators.finetune.settings import Settings
from dinobench.models.networks.backbone import Backbone
from dinobench.models.networks.vit import DropPath
from dinobench.runtime.errors import InputError

_HEAD_STD = 0.02
# Where a parameter's name says how deep it lies: transformer blocks, and the stages of convnets and hierarchical
# transformers, of which the outermost number counts. What embeds the patches may have stages of its own.
_LEVEL = re.compile(r"^(?!.*\bpatch_embed\b)(?:\D*\.)?(?:blocks\.|stages\.|features\.|layers?\.?|s)(\d+)\.")


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
        """(B, 3, H, W), normalized -> (B, classes)."""
        scores: Tensor = self.head(self.backbone.class_token(images))
        return scores

    def group_matcher(self, coarse: bool = False) -> Callable[[str], float]:
        """How timm finds a parameter's depth, for layer decay: embedding or stem, blocks or stages, then the rest."""
        depths: dict[str, float] = {}
        for name, _ in self.named_parameters():  # in the order in which a network is built
            level = _LEVEL.match(name)
            beyond = math.inf if any(depth >= 0 for depth in depths.values()) else -1
            depths[name] = int(level[1]) if level else beyond
        return depths.__getitem__


def build_classifier(backbone: Backbone, classes: int, recipe: Settings) -> Classifier:
    """A classifier whose every parameter is trained.

    Raises:
        InputError: the recipe asks for stochastic depth or layer decay, which the backbone cannot give.
    """
    set_drop_path(backbone, recipe.drop_path)
    model = Classifier(backbone, classes, recipe.head_scale)
    if recipe.layer_decay < 1 and not any(_LEVEL.match(name) for name, _ in model.named_parameters()):
        raise InputError("this backbone has no numbered blocks or stages for layer_decay; use --set layer_decay=1.0")
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
