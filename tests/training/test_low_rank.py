from __future__ import annotations

import pytest
import torch

from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.build import build_backbone
from dinobench.runtime.errors import InputError
from dinobench.training import training_run
from dinobench.training.checkpoints import load
from dinobench.training.low_rank import add_adapters, merged_state
from dinobench.training.run import train
from tests.training.test_run import TINY, few_images  # noqa: F401

ADAPTED = {**TINY, "architecture": "", "init": "random:vit_mini/8", "epochs": 2, "adapter_rank": 2}
ADAPTED |= {"warmup_epochs": 0, "lr": 0.05, "momentum_teacher": 0.5}


def test_adapters_change_nothing_until_they_learn_and_then_the_merged_network_is_the_same():
    backbone, images = build_backbone("vit_mini/8", image_size=32).eval(), torch.randn(2, 3, 32, 32)
    before = backbone.class_token(images)
    assert add_adapters(backbone, 2) == 8  # two in each of four blocks
    assert torch.equal(backbone.class_token(images), before)
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    assert len(trained) == 16
    for parameter in trained:
        torch.nn.init.normal_(parameter, std=0.1)
    backbone.class_token(images)[:, :5].sum().backward()
    assert all(parameter.grad.any() for parameter in trained)  # the last block reads its weights without their layer
    merged = build_backbone("vit_mini/8", image_size=32).eval()
    merged.load_state_dict(merged_state(backbone))
    torch.testing.assert_close(merged.class_token(images), backbone.class_token(images), rtol=0, atol=1e-5)
    assert (merged.class_token(images) - before).abs().max() > 0.01


def test_a_run_with_adapters_ends_in_an_ordinary_checkpoint(tmp_path, monkeypatch, capsys):
    learners = []
    built = training_run.build_learner
    monkeypatch.setattr(training_run, "build_learner", lambda *given: learners.append(built(*given)) or learners[-1])
    run = train("mini", "few", tmp_path / "run", settings=ADAPTED)
    assert "adapters: of rank 2 on 8 weights; the rest stays as it is" in capsys.readouterr().err
    state, start = load(run / "checkpoint.pth"), load_backbone("random:vit_mini/8").backbone.state_dict()
    student = {name.removeprefix("module.backbone."): each for name, each in state["student"].items()}
    changed = {name for name, each in start.items() if not torch.equal(each, student[name])}
    assert changed == {name for name in start if "attn" in name and name.endswith("weight")}
    images = torch.randn(2, 3, 32, 32)
    for role, network in (("student", learners[0].student), ("teacher", learners[0].teacher)):
        loaded = load_backbone(str(run), settings={"weights": role}).backbone
        expected = network.eval().backbone.class_token(images)
        torch.testing.assert_close(loaded.class_token(images), expected, rtol=0, atol=1e-5)


def test_adapters_that_cannot_be_are_one_line(tmp_path):
    with pytest.raises(InputError, match="adapts attention, and this backbone has none; set adapter_rank=0"):
        add_adapters(build_backbone("resnet18"), 2)
    with pytest.raises(InputError, match=r"adapter_rank = 4000 is above the attention's width of \d+; lower it"):
        train("mini", "few", tmp_path / "a", settings={**ADAPTED, "adapter_rank": 4000})
    with pytest.raises(InputError, match="set adapter_rank=0, or init_all=false"):
        train("mini", "few", tmp_path / "b", settings={**ADAPTED, "init_all": True})
    with pytest.raises(InputError, match="adapter_rank = 2 has no effect without init = SPEC"):
        train("mini", "few", tmp_path / "c", settings={**TINY, "adapter_rank": 2})
