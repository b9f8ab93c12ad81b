"""The evaluation transform equals torchvision's Pillow transforms to the last bit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms as reference

from dinobench.data.decode import read_rgb
from dinobench.data.transforms import center_crop, evaluation_transform, resize_shorter_side, shorter_side_size
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MODES = {"bicubic": reference.InterpolationMode.BICUBIC, "bilinear": reference.InterpolationMode.BILINEAR}


def _reference(size: int, resize: int, interpolation: str) -> reference.Compose:
    return reference.Compose(
        [
            reference.Resize(resize, interpolation=MODES[interpolation]),
            reference.CenterCrop(size),
            reference.ToTensor(),
            reference.Normalize(MEAN, STD),
        ]
    )


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("size", "resize"), [(224, 256), (32, 32), (97, 130), (64, 40)])
def test_equals_torchvision_on_photographs(interpolation: str, size: int, resize: int) -> None:
    folders = shared_data("flowers-102", "jpg"), shared_data("landmarks"), shared_data("cifar10", "val", "cat")
    transform = evaluation_transform(size, resize, interpolation, MEAN, STD)
    for folder in folders:
        for path in sorted(folder.glob("*.jpg"))[:3]:
            image = read_rgb(path)
            assert torch.equal(transform(image), _reference(size, resize, interpolation)(image)), path


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 50),
    st.integers(1, 60),
    st.sampled_from(["bicubic", "bilinear"]),
)
def test_equals_torchvision_at_any_geometry(
    width: int, height: int, size: int, resize: int, interpolation: str
) -> None:
    pixels = np.random.default_rng(width * 100 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    transform = evaluation_transform(size, resize, interpolation, MEAN, STD)
    if min(shorter_side_size(width, height, resize)) < 1:
        return
    assert torch.equal(transform(image), _reference(size, resize, interpolation)(image))


def test_equals_torchvision_at_all_small_sizes_and_at_random_large_ones() -> None:
    rng = np.random.default_rng(0)
    shapes = [(side, side) for side in range(1, 65)] + [(side, 65 - side) for side in range(1, 65)]
    for height, width in [*shapes, *rng.integers(65, 260, (200, 2)).tolist()]:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        transform = evaluation_transform(28, 32, "bicubic", MEAN, STD)
        assert torch.equal(transform(image), _reference(28, 32, "bicubic")(image)), (height, width)


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 600))
def test_the_shorter_side_is_met_and_the_aspect_kept(width: int, height: int, shorter: int) -> None:
    new_width, new_height = shorter_side_size(width, height, shorter)
    assert min(new_width, new_height) == shorter
    assert abs(new_width * height - new_height * width) <= max(width, height)


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    image = Image.new("RGB", (32, 40))
    assert resize_shorter_side(image, 32) is image
    assert center_crop(image, 32).size == (32, 32)


def test_the_transform_survives_pickling() -> None:
    transform = evaluation_transform(8, 8, "bicubic", MEAN, STD)
    assert pickle.loads(pickle.dumps(transform)) == transform


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="unknown interpolation 'cubic'"):
        evaluation_transform(8, 8, "cubic", MEAN, STD)
    with pytest.raises(InputError, match="at least 1 pixel"):
        evaluation_transform(0, 8, "bicubic", MEAN, STD)
