from __future__ import annotations

import pytest
import torch

from dinobench.features.names import Column, depth_of, parse_feature
from dinobench.models.networks.backbone import Features
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
