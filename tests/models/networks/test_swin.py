"""Swin transformers block by block, as iBOT's and EsViT's linear evaluation reads them."""

from __future__ import annotations

import pytest
import torch

from dinobench.models.networks.backbone import Backbone
from dinobench.models.networks.build import build_backbone
from dinobench.runtime.errors import InputError

BLOCKS = (2, 2, 6, 2)


@pytest.fixture(scope="module")
def swin() -> Backbone:
    torch.manual_seed(0)
    return build_backbone("timm:swin_tiny_patch4_window7_224").eval()


@torch.no_grad()
def test_each_of_the_last_blocks_is_the_mean_of_its_tokens_normed_in_the_last_stage_alone(swin: Backbone) -> None:
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    network = swin.get_submodule("network")
    tokens, pooled = network.patch_embed(images), []
    for stage, layer in enumerate(network.layers):
        tokens = layer.downsample(tokens)
        for block in layer.blocks:
            tokens = block(tokens)
            pooled.append((network.norm(tokens) if stage == 3 else tokens).flatten(1, 2).mean(1))
    found = swin.intermediate_layers(images, 4)
    assert [layer.cls.shape[1] for layer in found] == [384, 384, 768, 768]
    for one, other in zip(found, pooled[-4:], strict=True):
        torch.testing.assert_close(one.cls, other)
    torch.testing.assert_close(swin(images).cls, found[-1].cls)
    torch.testing.assert_close(swin(images).patches, found[-1].patches)


def test_there_are_as_many_levels_as_blocks(swin: Backbone) -> None:
    assert swin.depth == sum(BLOCKS)
    with pytest.raises(InputError, match="ask for 1 to 12"):
        swin.intermediate_layers(torch.zeros(1, 3, 224, 224), 13)
