from __future__ import annotations

import dataclasses

import pytest
import torch

from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import InputError
from dinobench.training.build import build_learner
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run import train
from dinobench.training.start import open_start
from tests.training.test_run import TINY, few_images, weights  # noqa: F401

CONTINUED = {**TINY, "architecture": ""}
DRAWN = {"pretrained": False}


@pytest.mark.parametrize(
    "spec",
    ["random:vit_mini/8", "timm:vit_tiny_patch16_224", "timm:vit_small_patch14_reg4_dinov2", "torchvision:resnet18"],
)
def test_the_first_teacher_has_the_features_of_eval(tmp_path, spec):
    drawn = {} if spec.startswith("random") else DRAWN
    recipe = load_recipe("continue-small", {"init": spec, "global_size": 56, "local_size": 28, "out_dim": 16})
    recipe = dataclasses.replace(recipe, head_hidden=8, head_bottleneck=4)
    start = open_start(recipe, tmp_path, lambda name: load_backbone(name, settings={**drawn, "image_size": 56}
                       if not name.startswith("torchvision") else drawn))  # fmt: skip
    assert start is not None
    images = torch.randn(2, 3, 56, 56)
    teacher = build_learner(start.recipe, torch.device("cpu"), start).teacher.backbone.eval()
    with torch.no_grad():
        torch.testing.assert_close(teacher(images).cls, start.loaded.backbone(images).cls, rtol=0, atol=1e-6)


def test_a_run_continues_from_a_run_and_takes_its_head(tmp_path, capsys):
    train("mini", "x", tmp_path / "first", settings={**TINY, "epochs": 1})
    again = {**CONTINUED, "init": str(tmp_path / "first"), "epochs": 2, "guard": "labels", "knn_every": 1}
    train("mini", "x", tmp_path / "second", settings=again)
    said = capsys.readouterr().err
    assert "head: student's and teacher's from the checkpoint" in said
    assert "difference" in said
    assert load_backbone(str(tmp_path / "second")).architecture == "vit_mini/8"


def test_a_killed_run_goes_on_to_the_bit(tmp_path, monkeypatch):
    train("mini", "x", tmp_path / "first", settings={**TINY, "epochs": 1})
    again = {**CONTINUED, "init": str(tmp_path / "first"), "epochs": 3, "head_epochs": 1, "layer_decay": 0.5}
    train("mini", "x", tmp_path / "whole", settings=again)

    from dinobench.training.training_run import TrainingRun

    end = TrainingRun._end_epoch

    def cut(self: TrainingRun) -> None:
        end(self)
        if self.step == 4:
            self.signals.number = 15

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_end_epoch", cut)
        try:
            train("mini", "x", tmp_path / "cut", settings=again)
        except BaseException as error:
            assert type(error).__name__ == "StoppedError"
    train("mini", "x", tmp_path / "cut", settings=again)
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_bad_starts_are_one_line(tmp_path):
    train("mini", "x", tmp_path / "first", settings={**TINY, "epochs": 1})
    own = {**CONTINUED, "init": str(tmp_path / "first")}
    with pytest.raises(InputError, match="has architecture"):
        train("mini", "x", tmp_path / "a", settings={**own, "architecture": "vit_mini/4"})
    with pytest.raises(InputError, match="is the run that --output names"):
        train("mini", "x", tmp_path / "first", settings=own)
    with pytest.raises(InputError, match=r"its head has another shape \(32 outputs, .*the recipe's has 64 outputs, "):
        train("mini", "x", tmp_path / "b", settings={**own, "init_all": True, "out_dim": 64})
    with pytest.raises(InputError, match="say --set init=SPEC"):
        train("continue", "x", tmp_path / "c")


def test_frozen_blocks_stay_as_they_were_and_the_rest_learns(tmp_path):
    first = train("mini", "x", tmp_path / "first", settings={**TINY, "epochs": 1})
    again = {**CONTINUED, "init": str(first), "epochs": 1, "warmup_epochs": 0, "lr": 0.1, "frozen_blocks": 2}
    before, after = weights(first), weights(train("mini", "x", tmp_path / "second", settings=again))
    names = [name.removeprefix("teacher.") for name in before if name.startswith("teacher.backbone.")]
    same = {name for name in names if torch.equal(before[f"teacher.{name}"], after[f"module.{name}"])}
    frozen = tuple(f"backbone.{part}" for part in ("patch_embed", "pos_embed", "cls_token", "blocks.0", "blocks.1"))
    assert same == {name for name in names if name.startswith(frozen)}
    with pytest.raises(InputError, match="leaves no block of the backbone to train, which has 4; lower it"):
        train("mini", "x", tmp_path / "third", settings={**again, "frozen_blocks": 4})
