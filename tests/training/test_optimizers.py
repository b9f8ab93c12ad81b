from __future__ import annotations

import pytest
import torch
from torch import nn

from dinobench.training.optimizers import layered_groups

NAMES = {
    "head.mlp.0.weight": None,
    "backbone.norm.weight": None,
    "backbone.cls_norm.weight": None,
    "backbone.model.layernorm.weight": None,  # transformers
    "backbone.pos_embed": 0,
    "backbone.network.patch_embed.norm.weight": 0,  # a Swin's
    "backbone.blocks.3.norm1.weight": 4,
    "backbone.network.stages.2.blocks.0.norm.weight": 3,  # a ConvNeXt's
    "backbone.model.encoder.layer.5.output.dense.weight": 6,
    "backbone.network.layer3.1.conv1.weight": 4,  # a ResNet's
    "backbone.network.features.7.0.block.0.weight": 8,  # torchvision's
}


def network_of(names: list[str]) -> nn.Module:
    """A network with one weight of each name."""
    root = nn.Module()
    for name in names:
        *path, last = name.split(".")
        place = root
        for part in path:
            if part not in place._modules:
                place.add_module(part, nn.Module())
            place = place._modules[part]  # type: ignore[assignment]
        place.register_parameter(last, nn.Parameter(torch.zeros(1)))
    return root


@pytest.mark.parametrize(("name", "layer"), NAMES.items())
def test_the_rate_falls_block_by_block_whatever_a_library_calls_its_blocks(name, layer):
    network = network_of(list(NAMES))
    parameter = network.get_parameter(name)
    groups = layered_groups(network, 0.5)
    (rate,) = (group["rate"] for group in groups if any(parameter is one for one in group["params"]))
    assert rate == (1 if layer is None else 0.5 ** (9 - layer))
