from __future__ import annotations

import re

import pytest
import torch

from dinobench.runtime.errors import InputError
from dinobench.training.build import build_learner
from dinobench.training.dry_run import measure_step
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run import describe_run, train
from dinobench.training.source import open_source
from tests.training.test_run import TINY, few_images  # noqa: F401


def test_a_dry_run_says_what_it_loads_draws_holds_and_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {**TINY, "architecture": "", "init": "random:vit_mini/8", "guard": "views", "knn_every": 1}
    said = "\n".join(describe_run("mini", "few", "run", settings=settings, device="cpu"))
    assert "start: random_vit_mini_8, vit_mini/8" in said
    assert "head: drawn anew, the checkpoint has no head of the student" in said
    assert "probe: 1-NN of 16 images by their other view" in said
    assert re.search(r"memory: \d+\.\d+ GB of weights.* about \d+\.\d+ GB of activations for 8 images at once", said)
    assert re.search(r"time: about .* s a step, .* h in all without the probe \(measured: cpu.*, 8 images\)", said)
    assert not list(tmp_path.iterdir())


def test_activations_are_counted_image_by_image_and_without_weights():
    device, counted = torch.device("cpu"), []
    for batch in (4, 8):
        recipe = load_recipe("mini", {**TINY, "batch_size": batch})
        source = open_source(recipe, "few", device)
        cost = measure_step(build_learner(recipe, device), source, recipe, device)
        assert cost.images == batch
        counted.append(cost.activations)
    assert counted[0] == pytest.approx(counted[1], rel=0.1)
    tokens = sum(views * (size // 8) ** 2 + views for views, size in ((2, 16), (2, 8)))
    assert counted[1] > 4 * tokens * 128  # of one map in one block, at the least


def test_a_dry_run_refuses_what_the_run_would(tmp_path):
    train("mini", "few", tmp_path / "run", settings={**TINY, "epochs": 1})
    again = {**TINY, "architecture": "", "init": str(tmp_path / "run")}
    with pytest.raises(InputError, match="is the run that --output names"):
        describe_run("mini", "few", tmp_path / "run", settings=again)
    with pytest.raises(InputError, match="16 images are fewer than one batch of 32; lower batch_size"):
        describe_run("mini", "few", settings={**again, "batch_size": 32})
