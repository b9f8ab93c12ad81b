"""Architectures by name: the contract holds for every kind of network."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dinobench.models.networks.backbone import Backbone
from dinobench.models.networks.build import build_backbone
from dinobench.models.networks.network_names import canonical_architecture
from dinobench.models.networks.pixels import PixelBackbone
from dinobench.models.networks.vit import VisionTransformer
from dinobench.runtime.errors import InputError

NETWORKS = {
    "vit_mini/4": 32,
    "vit_tiny/16": 64,
    "resnet18": 64,
    "mobilenet_v3_small": 64,
    "convnext_atto": 64,
    "xcit_nano_12_p16_224": 64,
    "vit_tiny_patch16_dinov3_qkvb": 64,
    "deit_tiny_distilled_patch16_224": 64,
    "swin_tiny_patch4_window7_224": 224,
}


@pytest.mark.parametrize(("name", "size"), NETWORKS.items())
def test_every_network_keeps_the_contract(name: str, size: int) -> None:
    backbone = build_backbone(name, image_size=size).eval()
    with torch.no_grad():
        features = backbone(torch.randn(2, 3, size, size))
    cells = size // backbone.patch_size
    assert features.cls.shape == (2, backbone.dim)
    assert features.patches.shape[:3] == (2, cells, cells)
    assert torch.isfinite(features.cls).all()
    assert len(backbone.intermediate_layers(torch.randn(1, 3, size, size), 1)) == 1


@pytest.mark.parametrize(
    "alias", ["vit_small/16", "ViT-S/16", "vits16", "vit_small_patch16_224", "deit_small/16", "VIT_SMALL/16"]
)
def test_aliases_mean_one_architecture(alias: str) -> None:
    assert canonical_architecture(alias) == "vit_small/16"


def test_other_names_pass() -> None:
    assert canonical_architecture("ResNet50") == "resnet50"


def test_registers_are_part_of_a_name() -> None:
    assert canonical_architecture("ViT-S_reg4/14") == "vit_small_reg4/14"
    with torch.no_grad():
        features = build_backbone("vit_mini_reg4/8", image_size=32)(torch.zeros(1, 3, 32, 32))
    assert features.registers is not None
    assert features.registers.shape == (1, 4, 96)


def test_the_table_1_networks_have_their_parameter_counts() -> None:
    expected = {"vit_small/16": 21.7, "vit_small/8": 21.7, "vit_base/16": 85.8, "vit_base/8": 85.8, "resnet50": 23.5}
    with torch.device("meta"):
        counts = {name: sum(p.numel() for p in build_backbone(name).parameters()) / 1e6 for name in expected}
    assert counts == pytest.approx(expected, abs=0.06)


def test_wide_resnets_have_the_parameter_counts_of_table_2() -> None:
    expected = {"resnet50w2": 94, "resnet50w4": 375, "resnet50w5": 586, "resnet200w2": 250}
    with torch.device("meta"):
        counts = {name: sum(p.numel() for p in build_backbone(name).parameters()) / 1e6 for name in expected}
    assert counts == pytest.approx(expected, abs=1)
    assert build_backbone("resnet50w2", in_channels=1).conv1.in_channels == 1


def test_timm_transformers_give_older_blocks_and_attention() -> None:
    backbone = build_backbone("vit_tiny_patch16_dinov3_qkvb").eval()
    images = torch.randn(1, 3, 48, 70)
    with torch.no_grad():
        layers = backbone.intermediate_layers(images, 3)
        attention = backbone.attention(images)
    assert len(layers) == 3
    assert layers[-1].patches.shape == (1, 3, 4, backbone.dim)
    assert layers[-1].registers is not None
    assert attention.shape[-1] == 1 + layers[-1].registers.shape[1] + 12
    torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))


def test_timm_class_token_equals_timms_own_forward() -> None:
    backbone = build_backbone("deit_tiny_distilled_patch16_224").eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images).cls, backbone.network.forward_features(images)[:, 0])


def test_convnets_keep_their_own_parameter_names() -> None:
    backbone = build_backbone("resnet18")
    state = backbone.state_dict()
    assert "conv1.weight" in state
    other = torch.nn.Sequential(build_backbone("resnet18"))
    other.load_state_dict({f"0.{key}": value for key, value in state.items()}, strict=True)
    assert all(torch.equal(value, other.state_dict()[f"0.{key}"]) for key, value in state.items())


@pytest.mark.parametrize("name", ["resnet18", "vit_mini/4"])
def test_a_build_is_fixed_by_the_seed(name: str) -> None:
    def build() -> Backbone:
        torch.manual_seed(3)
        return build_backbone(name)

    first, second = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_channels_other_than_three() -> None:
    for name in ("vit_mini/4", "resnet18"):
        backbone = build_backbone(name, image_size=32, in_channels=1)
        assert backbone.eval()(torch.zeros(1, 1, 32, 32)).cls.shape == (1, backbone.dim)


def test_drop_path_reaches_the_blocks() -> None:
    backbone = build_backbone("vit_mini/4", drop_path=0.3)
    assert isinstance(backbone, VisionTransformer)
    assert backbone.blocks[-1].drop_path.rate == pytest.approx(0.3)


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"did you mean .*resnet50"):
        build_backbone("resnet5o")


def test_convnets_refuse_what_they_have_not() -> None:
    backbone = build_backbone("resnet18")
    with pytest.raises(InputError, match="one level"):
        backbone.intermediate_layers(torch.zeros(1, 3, 64, 64), 4)
    with pytest.raises(InputError, match="no self-attention"):
        backbone.attention(torch.zeros(1, 3, 64, 64))


def test_pixels_are_the_image() -> None:
    images = torch.randn(2, 3, 32, 32)
    features = PixelBackbone()(images)
    assert torch.equal(features.cls, images.flatten(1))
    assert PixelBackbone()(torch.randn(2, 3, 64, 48)).cls.shape == (2, 3072)


@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:resnet18", "resnet18"])
def test_a_library_can_be_named(name: str) -> None:
    kind = type(build_backbone(name, image_size=64)).__name__
    assert (kind == "ConvNet") == (name != "timm:resnet18")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("torchvision:resnet10t", {}, "unknown architecture"),
        ("keras:resnet18", {}, "unknown architecture"),
        ("torchvision:resnet18", {"drop_path": 0.1}, "takes no drop_path"),
        ("torchvision:resnet18", {"in_channels": 4}, "takes no drop_path and 3 channels alone"),
    ],
)
def test_a_library_that_cannot_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_backbone(name, image_size=64, **options)
