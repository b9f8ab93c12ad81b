"""Optimizer and learning-rate schedule of a recipe, made of timm's parts."""

from __future__ import annotations

from typing import Any

import torch
from timm.optim import create_optimizer_v2, param_groups_layer_decay
from timm.scheduler import CosineLRScheduler

from dinobench.evaluators.finetune.classifier import Classifier
from dinobench.evaluators.finetune.settings import Settings

# Embeddings that DeiT's recipes leave undecayed, besides every bias and gain.
_UNDECAYED = ("cls_token", "pos_embed", "register_tokens", "reg_token", "dist_token")


def build_optimizer(model: Classifier, recipe: Settings) -> torch.optim.Optimizer:
    """AdamW or SGD over groups by decay and depth."""
    undecayed = {name for name, _ in model.named_parameters() if name.rsplit(".", 1)[-1] in _UNDECAYED}
    groups = param_groups_layer_decay(
        model, recipe.weight_decay, no_weight_decay_list=undecayed, layer_decay=recipe.layer_decay
    )
    # The groups carry their decay; timm would divide them again were it given any.
    optimizer: torch.optim.Optimizer = create_optimizer_v2(groups, recipe.optimizer, recipe.lr, weight_decay=0.0)
    return optimizer


class Schedule:
    """The learning rate as a function of the step alone, so that a resumed run needs no state of it."""

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Settings, steps_per_epoch: int) -> None:
        self._optimizer = optimizer
        self._steps_per_epoch = steps_per_epoch
        self._per_epoch = recipe.schedule == "epoch"
        unit = 1 if self._per_epoch else steps_per_epoch
        self._cosine: Any = CosineLRScheduler(
            optimizer,
            t_initial=recipe.epochs * unit,
            lr_min=recipe.min_lr,  # which may lie above the highest rate: then the rate rises to it
            warmup_t=recipe.warmup_epochs * unit,
            warmup_lr_init=min(recipe.warmup_lr, recipe.lr),
            t_in_epochs=True,
        )

    def set(self, step: int) -> float:
        """Set the rates for an update counted from 0; returns the largest.

        By epoch, the rate of an epoch is that of the number of the one before, as DeiT sets it once an epoch is over.
        """
        self._cosine.step(max(step // self._steps_per_epoch - 1, 0) if self._per_epoch else step)
        return max(float(group["lr"]) for group in self._optimizer.param_groups)
