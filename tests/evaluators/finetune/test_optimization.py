from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from timm.scheduler import CosineLRScheduler

from dinobench.cards import load_tasks
from dinobench.evaluators.finetune.classifier import Classifier, build_classifier
from dinobench.evaluators.finetune.optimization import Schedule, build_optimizer
from dinobench.evaluators.finetune.settings import Settings
from dinobench.models.networks.build import build_backbone


def _recipe(**changes: object) -> Settings:
    quick = load_tasks()["finetune-cifar10"].protocol("quick").settings
    return dataclasses.replace(quick, **changes)  # type: ignore[arg-type]


def _model() -> Classifier:
    return Classifier(build_backbone("vit_mini/4"), 3, 1.0)


def _of(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, key: str) -> float:
    group = next(group for group in optimizer.param_groups if any(parameter is member for member in group["params"]))
    return float(group[key])


def test_biases_gains_class_token_and_positions_are_not_decayed() -> None:
    model = _model()
    optimizer = build_optimizer(model, _recipe(weight_decay=0.3))
    for name, parameter in model.named_parameters():
        bare = parameter.ndim <= 1 or name in ("backbone.cls_token", "backbone.pos_embed")
        assert _of(optimizer, parameter, "weight_decay") == (0.0 if bare else 0.3)


def test_layer_decay_shrinks_the_rate_towards_the_input() -> None:
    model = _model()
    recipe = _recipe(layer_decay=0.5, lr=1.0, warmup_epochs=0)
    optimizer = build_optimizer(model, recipe)
    Schedule(optimizer, recipe, 10).set(0)
    rates = [_of(optimizer, block.mlp.fc1.weight, "lr") for block in model.backbone.blocks]  # type: ignore[union-attr]
    assert rates == [0.5**4, 0.5**3, 0.5**2, 0.5]
    assert _of(optimizer, model.head.weight, "lr") == 1.0
    assert _of(optimizer, model.backbone.patch_embed.proj.weight, "lr") == 0.5**5  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    ("architecture", "levels", "first", "last"),
    [
        ("resnet18", 4, "network.conv1.weight", "network.layer4.1.conv2.weight"),
        ("regnetx_002", 4, "network.stem.conv.weight", "network.s4.b1.conv1.conv.weight"),
        ("convnext_atto", 4, "network.stem.0.weight", "network.stages.3.blocks.1.mlp.fc1.weight"),
        (
            "swin_tiny_patch4_window7_224",
            4,
            "network.patch_embed.proj.weight",
            "network.layers.3.blocks.1.mlp.fc1.weight",
        ),
    ],
)
def test_layer_decay_goes_by_stages_where_there_are_no_blocks(
    architecture: str, levels: int, first: str, last: str
) -> None:
    model = build_classifier(build_backbone(architecture), 5, _recipe(drop_path=0.0))
    optimizer = build_optimizer(model, _recipe(layer_decay=0.5, lr=1.0, warmup_epochs=0))
    scales = {scale: _of(optimizer, model.get_parameter(f"backbone.{scale}"), "lr_scale") for scale in (first, last)}
    assert scales == {first: 0.5 ** (levels + 1), last: 0.5}
    assert _of(optimizer, model.head.weight, "lr_scale") == 1.0


@pytest.mark.parametrize("schedule", ["epoch", "update"])
def test_the_rate_warms_up_linearly_and_falls_on_a_cosine(schedule: str) -> None:
    recipe = _recipe(schedule=schedule, epochs=10, warmup_epochs=2, lr=1.0, min_lr=0.1, warmup_lr=0.2, layer_decay=1.0)
    rates = Schedule(build_optimizer(_model(), recipe), recipe, 5)
    for step in range(50):
        passed = float(max(step // 5 - 1, 0)) if schedule == "epoch" else step / 5
        expected = 0.2 + 0.8 * passed / 2 if passed < 2 else 0.1 + 0.45 * (1 + math.cos(math.pi * passed / 10))
        assert rates.set(step) == pytest.approx(expected)


def test_the_rate_of_each_epoch_is_deits() -> None:
    """DeiT makes timm's scheduler and calls step(epoch) after each epoch; CIFAR's last rate lies above its highest."""
    recipe = load_tasks()["finetune-cifar10"].protocol("paper").settings
    assert recipe.min_lr > recipe.lr
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], recipe.lr)
    scheduler = CosineLRScheduler(
        theirs, t_initial=1000, lr_min=1e-5, warmup_lr_init=1e-6, warmup_t=5, cycle_limit=1, t_in_epochs=True
    )
    ours = Schedule(build_optimizer(_model(), recipe), recipe, 3)
    for epoch in range(1000):
        assert ours.set(3 * epoch) == pytest.approx(theirs.param_groups[0]["lr"], rel=0, abs=1e-12)
        scheduler.step(epoch)


def test_the_rate_depends_on_the_step_alone() -> None:
    recipe = _recipe(schedule="update", epochs=4)
    walked, jumped = (Schedule(build_optimizer(_model(), recipe), recipe, 3) for _ in range(2))
    for step in range(8):
        rate = walked.set(step)
    assert jumped.set(7) == rate


def test_both_optimizers_can_be_had() -> None:
    sgd = build_optimizer(_model(), _recipe(optimizer="sgd"))
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.9
    assert isinstance(build_optimizer(_model(), _recipe(optimizer="adamw")), torch.optim.AdamW)


def _rate_of_deit(epoch: int, recipe: Settings) -> float:
    """DeiT's main.py calls step(0) before the first epoch and step(epoch) at the end of each; timm 0.3.2's formula."""
    called = max(epoch - 1, 0)
    if called < recipe.warmup_epochs:
        return recipe.warmup_lr + called * (recipe.lr - recipe.warmup_lr) / recipe.warmup_epochs
    cosine = 1 + math.cos(math.pi * called / recipe.epochs)
    return recipe.min_lr + 0.5 * (recipe.lr - recipe.min_lr) * cosine


@pytest.mark.parametrize("epochs", [3, 1000])
def test_rates_are_those_of_deits_own_calls_in_every_epoch(epochs: int) -> None:
    recipe = _recipe(
        schedule="epoch", epochs=epochs, warmup_epochs=min(5, epochs - 1), lr=7.5e-6, min_lr=1e-6, warmup_lr=1e-6
    )
    schedule = Schedule(build_optimizer(_model(), recipe), recipe, 7)
    for epoch in range(epochs):
        assert schedule.set(7 * epoch) == pytest.approx(_rate_of_deit(epoch, recipe), rel=0, abs=1e-12 * recipe.lr)
