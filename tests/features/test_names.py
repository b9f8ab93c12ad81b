from __future__ import annotations

import pytest
import torch

from dinobench.features.names import Column, depth_of, parse_feature
from dinobench.models.networks.backbone import Features
from dinobench.models.networks.build import build_backbone
from dinobench.runtime.errors import InputError


def test_parse():
    assert parse_feature("cls") == (Column("cls", 1),)
    assert parse_feature("cls.2 + mean") == (Column("cls", 2), Column("mean", 1))
    assert depth_of(parse_feature("cls.4+cls.1")) == 4


@pytest.mark.parametrize("name", ["", "cls+", "cls.0", "patches", "cls.x"])
def test_refuses(name):
    with pytest.raises(InputError, match="unknown feature"):
        parse_feature(name)


def test_take_counts_blocks_from_the_end():
    layers = tuple(Features(torch.full((2, 3), float(i)), torch.full((2, 4, 5, 3), 10.0 + i)) for i in range(3))
    assert Column("cls", 1).take(layers).eq(2).all()
    assert Column("mean", 3).take(layers).eq(10).all()
    assert Column("mean", 3).take(layers).shape == (2, 3)


def test_the_class_token_before_the_final_norm_becomes_the_one_after_it():
    backbone = build_backbone("vit_mini/4").eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    layers = backbone.intermediate_layers(images, 2)
    for layer in (1, 2):
        before, after = Column("prenorm", layer).take(layers), Column("cls", layer).take(layers)
        torch.testing.assert_close(backbone.norm(before), after)
        assert not torch.allclose(before, after)


def test_networks_without_that_token_refuse_it():
    with pytest.raises(InputError, match=r"feature prenorm\.1 needs a vision transformer"):
        Column("prenorm").take((Features(torch.zeros(1, 2), torch.zeros(1, 1, 1, 2)),))
