"""Strides that pad as TensorFlow's SAME, as BYOL's and SimCLR's weights expect it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch.nn import functional as F

from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.resnet import SameConv2d, same_padding
from dinobench.runtime.errors import InputError
from tests.models.broken_files import saved, vit


@pytest.mark.parametrize(
    ("length", "size", "stride", "pads"), [(224, 7, 2, (2, 3)), (112, 3, 2, (0, 1)), (7, 3, 2, (1, 1))]
)
def test_the_odd_pixel_comes_after(length: int, size: int, stride: int, pads: tuple[int, int]) -> None:
    padded = same_padding(torch.ones(1, 1, length, length), size, stride)
    assert padded[0, 0, length // 2].tolist() == [0] * pads[0] + [1] * length + [0] * pads[1]


def test_a_convolution_pads_as_same() -> None:
    layer = SameConv2d(3, 4, 3, 2, bias=False)
    images = torch.rand(1, 3, 8, 8)
    assert torch.equal(layer(images), F.conv2d(F.pad(images, (0, 1, 0, 1)), layer.weight, stride=2))


def test_padding_is_a_setting_of_the_network_that_is_said(tmp_path: Path) -> None:
    path = str(saved(torchvision.models.resnet18().state_dict(), tmp_path / "x.pth"))
    models = {way: load_backbone(path, settings={"padding": way}) for way in ("torch", "same-pool", "same")}
    with torch.no_grad():
        image = torch.rand(1, 3, 64, 64)
        features = {way: model.backbone(image).cls for way, model in models.items()}
    assert len({tuple(feature.flatten().tolist()) for feature in features.values()}) == 3
    assert len({model.identity for model in models.values()}) == 3
    assert len({model.sha256 for model in models.values()}) == 1
    assert "padding: same (from the command line)" in map(str, models["same"].choices)
    with pytest.raises(InputError, match="padding acts on ResNets"):
        load_backbone(str(saved(vit(), tmp_path / "vit.pth")), settings={"padding": "same"})
