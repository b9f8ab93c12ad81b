"""The frozen network: one input for every task, and its precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.data.transforms import evaluation_transform
from dinobench.features.extract import Extractor
from dinobench.features.names import parse_feature
from dinobench.features.network import FrozenNetwork
from dinobench.runtime.errors import InputError
from tests.features.conftest import PREPROCESSING

CPU = torch.device("cpu")


def test_the_input_is_the_evaluation_transforms_to_the_last_bit(backbone):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    transform = evaluation_transform(16, 16, "bicubic", PREPROCESSING.mean, PREPROCESSING.std)
    wanted = torch.stack([transform(Image.fromarray(image)) for image in pixels])
    found = FrozenNetwork(backbone, PREPROCESSING, CPU).input(torch.from_numpy(pixels))
    assert torch.equal(found, wanted)
    assert found.is_contiguous()


def test_passes_compute_in_the_precision_and_without_gradients(backbone):
    network = FrozenNetwork(backbone, PREPROCESSING, CPU, "bf16")
    found = network.apply(backbone.class_token, torch.zeros(1, 3, 16, 16))
    assert (found.dtype, found.requires_grad) == (torch.bfloat16, False)
    with pytest.raises(InputError, match="unknown precision"):
        FrozenNetwork(backbone, PREPROCESSING, CPU, "fp8")


def test_other_channels_than_the_models_are_refused(backbone):
    with pytest.raises(InputError, match="takes 3 channels, this task's images have 4"):
        FrozenNetwork(backbone, PREPROCESSING, CPU).input(torch.zeros(1, 8, 8, 4, dtype=torch.uint8))


def test_passes_are_compiled_where_asked_and_once_for_every_split(backbone, images, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda forward, **_: (compiled.append(forward), forward)[1])
    pixels = torch.from_numpy(np.array(images.arrays()[:4]))
    columns = parse_feature("cls+mean")
    plain, *networks = (
        Extractor(backbone, PREPROCESSING, columns, torch.device("cpu"), compiled=wanted)
        for wanted in (False, True, True)
    )
    for network in networks:
        for column, values in network(pixels).items():
            assert torch.equal(values, plain(pixels)[column])
    assert len(compiled) == 1
