from __future__ import annotations

import pytest
import torch
from torch import nn

from dinobench.models.networks.backbone import input_channels
from dinobench.models.networks.timm_adapter import create_timm


@pytest.mark.parametrize(("name", "channels"), [("csatv2", 3), ("test_vit", 4), ("test_resnet", 1)])
def test_a_network_says_how_many_channels_its_images_have(name: str, channels: int) -> None:
    with torch.device("meta"):
        network = create_timm(name, pretrained=False, image_size=None, in_channels=channels)
    assert input_channels(network) == channels


def test_the_first_convolution_says_it_for_others() -> None:
    assert input_channels(nn.Sequential(nn.Identity(), nn.Conv2d(6, 2, 1), nn.Conv2d(2, 1, 1))) == 6
    assert input_channels(nn.Linear(2, 2)) == 3
