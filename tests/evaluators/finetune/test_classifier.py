from __future__ import annotations

import dataclasses

import pytest
import torch

from dinobench.cards import load_tasks
from dinobench.evaluators.finetune.classifier import Classifier, build_classifier, set_drop_path
from dinobench.evaluators.finetune.settings import Settings
from dinobench.models.networks.build import build_backbone
from dinobench.models.networks.vit import DropPath
from dinobench.runtime.errors import InputError


def _recipe(**changes: object) -> Settings:
    quick = load_tasks()["finetune-cifar10"].protocol("quick").settings
    return dataclasses.replace(quick, **changes)  # type: ignore[arg-type]


def test_scores_are_a_linear_layer_on_the_class_token() -> None:
    model = Classifier(build_backbone("vit_mini/4"), 7, head_scale=1.0)
    images = torch.randn(2, 3, 32, 32)
    expected = model.backbone(images).cls @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(images), expected)


def test_the_head_starts_small() -> None:
    weights = Classifier(build_backbone("vit_mini/4"), 500, head_scale=0.001).head.weight
    assert 1.8e-5 < float(weights.detach().std()) < 2.2e-5


def test_every_parameter_is_trained_whatever_the_loaded_model_says() -> None:
    backbone = build_backbone("vit_mini/4").requires_grad_(False)
    assert all(parameter.requires_grad for parameter in build_classifier(backbone, 3, _recipe()).parameters())


@pytest.mark.parametrize("architecture", ["vit_mini/4", "vit_tiny_patch16_224"])
def test_stochastic_depth_grows_to_the_last_block(architecture: str) -> None:
    backbone = build_backbone(architecture)
    set_drop_path(backbone, 0.3)
    rates = [float(module.rate) for module in backbone.modules() if isinstance(module, DropPath)]
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0.3)
    assert rates == sorted(rates)


def test_recipes_that_a_convnet_cannot_follow_are_refused() -> None:
    backbone = build_backbone("resnet18")
    with pytest.raises(InputError, match="drop_path"):
        build_classifier(backbone, 3, _recipe(drop_path=0.1))
    with pytest.raises(InputError, match="no numbered blocks or stages for layer_decay"):
        build_classifier(build_backbone("densenet121"), 3, _recipe(layer_decay=0.5))
    model = build_classifier(backbone, 3, _recipe(layer_decay=1.0, channels_last=True))
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 3)


def test_drop_path_scales_survivors_in_float32_whatever_the_precision() -> None:
    backbone = build_backbone("vit_mini/4")
    set_drop_path(backbone, 0.1)
    last = [module for module in backbone.modules() if isinstance(module, DropPath)][-1]
    for shape in ((64, 3, 5), (64, 5, 2, 2)):
        out = last.train()(torch.ones(shape, dtype=torch.bfloat16))
        assert out.dtype == torch.float32
        assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.9], rel=1e-6)
