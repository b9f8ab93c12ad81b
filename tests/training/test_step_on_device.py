"""The step as a GPU sees it, without one: tensors of device "meta" have shapes but no values.

An operation that mixes devices or reads a value (`item`, `bool`, `nonzero`) raises on them, and reading a value is what
makes a CPU wait for a GPU.
"""

from __future__ import annotations

import contextlib

import pytest
import torch

from dinobench.training.build import build_learner
from dinobench.training.recipe_files import load_recipe
from dinobench.training.step import StepSettings

SMALL = {"batch_size": 4, "min_lr": 1e-6, "out_dim": 64, "global_size": 32, "local_size": 16}
RECIPES = ["mini", "resnet50", "xcit", "mini+channels", *(f"table7-row{row}" for row in range(1, 10))]


@pytest.fixture
def _no_autocast_on_meta(monkeypatch):
    """Device "meta" has no mixed precision; the steps here are in float32."""
    autocast, enabled = torch.autocast, torch.is_autocast_enabled

    def without_meta(kind, *arguments, **options):
        return contextlib.nullcontext() if kind == "meta" else autocast(kind, *arguments, **options)

    monkeypatch.setattr(torch, "autocast", without_meta)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind="cpu": kind != "meta" and enabled(kind))


def _groups(recipe, device):
    sizes = {recipe.global_size: 2, recipe.local_size: recipe.local_crops}
    return [
        torch.empty(views * recipe.batch_size, recipe.in_channels, size, size, device=device)
        for size, views in sizes.items()
        if views
    ]


@pytest.mark.usefixtures("_no_autocast_on_meta")
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_never_waits_for_the_device(name):
    settings = {key: value for key, value in SMALL.items() if key != "out_dim" or load_recipe(name).head_outputs}
    recipe = load_recipe(name, settings)
    device = torch.device("meta")
    learner = build_learner(recipe, device)
    for group in learner.optimizer.param_groups:
        if "fused" in group:  # of which "meta" has none
            group.update(fused=False, foreach=True)
    groups = _groups(recipe, device)
    for frozen in (True, False):
        measured = learner.step([groups, groups], StepSettings(1e-3, 0.04, 0.99, 0.04, frozen))
    assert {tensor.device for tensor in (measured.loss, measured.entropy, *measured.norms)} == {device}


@pytest.mark.usefixtures("_no_autocast_on_meta")
def test_a_step_that_reads_the_loss_is_found():
    recipe = load_recipe("mini", SMALL)
    learner = build_learner(recipe, torch.device("meta"))
    loss_of = learner.objective.loss
    learner.objective.loss = lambda *arguments: loss_of(*arguments) * float(loss_of(*arguments).detach())
    with pytest.raises(RuntimeError, match="meta tensors"):
        learner.step([_groups(recipe, "meta")], StepSettings(1e-3, 0.04, 0.99, 0.04, frozen=True))
