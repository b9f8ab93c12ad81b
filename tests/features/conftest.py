"""A tiny backbone and a tiny image set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dinobench.data.dataset import from_arrays
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.models.networks.backbone import Backbone, Features, Preprocessing

PREPROCESSING = Preprocessing(size=16, resize=16)


class TinyBackbone(Backbone):
    """Three linear "blocks" on 4-pixel patches; the class token is the mean of the first half of each."""

    dim, patch_size, depth = 6, 4, 3

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Conv2d(3, self.dim, 4, 4)
        self.blocks = nn.ModuleList(nn.Conv2d(self.dim, self.dim, 1) for _ in range(self.depth))

    def intermediate_layers(self, images, n=1):
        maps, x = [], self.embed(images)
        for block in self.blocks:
            x = block(x)
            maps.append(Features(x.flatten(2)[..., ::2].mean(2), x.permute(0, 2, 3, 1)))
        return tuple(maps[-n:])

    def attention(self, images):
        raise NotImplementedError


@pytest.fixture
def backbone():
    return TinyBackbone().eval()


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (23, 16, 16, 3), dtype=np.uint8)
    return from_arrays("toy/train", pixels, np.arange(23) % 3, ("a", "b", "c"), [f"{index}.png" for index in range(23)])


@pytest.fixture
def model(backbone):
    return LoadedBackbone(backbone, "tiny", "tiny", "test", "tiny", PREPROCESSING, "nowhere")
