"""The ViT's own promises: shapes, shortcuts that are exact, and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinobench.models.networks.vit import VisionTransformer, ViTShape
from dinobench.runtime.errors import InputError

SMALL = ViTShape(patch_size=4, dim=24, depth=3, heads=3, image_size=16)
OPTIONS = {
    "plain": SMALL,
    "registers": replace(SMALL, registers=2, layer_scale=True, swiglu=True, hidden=40),
    "rotary": replace(SMALL, positions="rotary", registers=4, class_norm=True, qkv_bias=False),
    "no class token": replace(SMALL, class_token=False, class_position=False),
    "position of patches only": replace(SMALL, class_position=False),
}


def built(shape: ViTShape, **options: float) -> VisionTransformer:
    torch.manual_seed(0)
    model = VisionTransformer(shape, **options).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("shape", OPTIONS.values(), ids=OPTIONS)
def test_class_token_alone_equals_the_full_pass(shape: ViTShape) -> None:
    model = built(shape)
    images = torch.randn(2, 3, 18, 24).double()
    full = model(images)
    torch.testing.assert_close(model.class_token(images), full.cls, rtol=1e-11, atol=1e-11)
    assert full.cls.shape == (2, 24)
    assert full.patches.shape == (2, 4, 6, 24)
    assert (full.registers is None) == (shape.registers == 0)


@pytest.mark.parametrize("shape", OPTIONS.values(), ids=OPTIONS)
def test_class_attention_is_the_first_row(shape: ViTShape) -> None:
    model = built(shape)
    images = torch.randn(2, 3, 16, 16).double()
    attention = model.attention(images)
    torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]).double())
    torch.testing.assert_close(model.class_attention(images), attention[:, :, 0])


def test_class_token_trains_as_the_full_pass_does() -> None:
    images = torch.randn(4, 3, 16, 16).double()
    gradients = []
    for shortcut in (True, False):
        model = built(SMALL, drop_path=0.5).train()
        torch.manual_seed(1)
        out = model.class_token(images) if shortcut else model(images).cls
        out.pow(3).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for short, full in zip(*gradients, strict=True):
        torch.testing.assert_close(short, full, rtol=1e-9, atol=1e-9)


def test_drop_path_keeps_the_mean_and_is_off_in_evaluation() -> None:
    model = VisionTransformer(SMALL, drop_path=0.5)
    drop = model.blocks[-1].drop_path
    branch = torch.ones(4000, 1, 1)
    assert drop.train()(branch).mean() == pytest.approx(1, abs=0.1)
    assert set(drop(branch).unique().tolist()) == {0.0, 2.0}
    assert torch.equal(drop.eval()(branch), branch)


@given(height=st.integers(4, 40), width=st.integers(4, 40))
@settings(deadline=None, max_examples=20)
def test_any_size_gives_the_grid_of_whole_patches(height: int, width: int) -> None:
    model = VisionTransformer(SMALL).eval()
    features = model(torch.zeros(1, 3, height, width))
    assert features.patches.shape == (1, height // 4, width // 4, 24)
    assert torch.isfinite(features.cls).all()


def test_other_channels() -> None:
    model = VisionTransformer(replace(SMALL, in_channels=5))
    assert model(torch.zeros(1, 5, 16, 16)).cls.shape == (1, 24)


@pytest.mark.parametrize("n", [0, 4, -1])
def test_asking_for_too_many_blocks_is_refused(n: int) -> None:
    with pytest.raises(InputError, match="ask for 1 to 3"):
        VisionTransformer(SMALL).intermediate_layers(torch.zeros(1, 3, 16, 16), n)


def test_an_image_below_one_patch_is_refused() -> None:
    with pytest.raises(InputError, match="smaller than one patch"):
        VisionTransformer(SMALL)(torch.zeros(1, 3, 3, 16))


@pytest.mark.parametrize("change", [{"heads": 5}, {"image_size": 17}])
def test_impossible_shapes_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError):
        replace(SMALL, **change)
