"""Maps from the store are those of the network, image by image, whatever their sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.common.stored_maps import stored_maps
from dinobench.features.preparation import stretched
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, picture

SIZES = [(24, 32), (27, 37), (24, 32), (40, 40), (27, 37)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, count in (("train", len(SIZES)), ("val", 1)):
        (tmp_path / split / "a").mkdir(parents=True)
        for number in range(count):
            picture(number).save(tmp_path / split / "a" / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("layer", [1, 2])
def test_maps_are_those_of_the_network(layer: int, folder: Path) -> None:
    given = context("label-free", "quick", folder, folder / "out", "random:vit_mini/8")
    images = given.dataset("train")
    maps = stored_maps(given, "train", images, SIZES, stretched, layer=layer)
    halves = stored_maps(given, "train", images, SIZES, stretched, layer=layer, numbers="fp16")
    encoder = PatchEncoder(given, layer)
    for number, (height, width) in enumerate(SIZES):
        shown: NDArray[np.uint8] = np.asarray(images.read(number).resize((width, height), 3))
        expected = encoder.maps(encoder.images([shown]))[0]
        assert expected.shape[:2] == (-(-height // 8), -(-width // 8))
        torch.testing.assert_close(maps(number), expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(halves(number), maps(number).half().float())


def test_an_image_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "train" / "a" / "2.png").write_bytes(b"no image")
    given = context("label-free", "quick", folder, folder / "out", "random:vit_mini/8")
    with pytest.raises(InputError, match=r"1 of 2 images of .* cannot be read: .*2.png"):
        stored_maps(given, "train", given.dataset("train"), SIZES, stretched)
