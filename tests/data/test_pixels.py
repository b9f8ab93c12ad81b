"""Each operation against Pillow's, which the published training used."""

from __future__ import annotations

import numpy as np
import pytest
import torchvision.transforms.functional as pillow
from PIL import Image, ImageFilter, ImageOps
from torchvision.transforms import InterpolationMode

from dinobench.data import pixels
from tests.conftest import shared_data


def photographs() -> list[np.ndarray]:
    paths = sorted(shared_data("imagenette", "train").glob("*/*.JPEG"))[::97]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


@pytest.fixture(params=[224, 97, 32])
def images(request):
    side = request.param
    return [np.asarray(Image.fromarray(photo).resize((side, side))) for photo in photographs()]


def differences(ours: np.ndarray, theirs: Image.Image) -> np.ndarray:
    return ours.astype(int) - np.asarray(theirs).astype(int)


@pytest.mark.parametrize("size", [224, 96, 16])
def test_resized_crops(size):
    for photo in photographs():
        for top, left, height, width in ((0, 0, *photo.shape[:2]), (10, 31, 150, 120), (7, 3, 14, 20)):
            ours = pixels.crop_and_resize(photo, (top, left, height, width), size)
            theirs = pillow.resized_crop(
                Image.fromarray(photo), top, left, height, width, [size, size], InterpolationMode.BICUBIC
            )
            off = np.abs(differences(ours, theirs))
            assert off.mean() < 0.3  # 0.005 but for shapes that Pillow 13 resizes in height before width
            assert off.max() <= 8


@pytest.mark.parametrize("factor", [0.6, 0.8, 1.0, 1.17, 1.4])
def test_brightness_contrast_saturation(images, factor):
    for image in images:
        source = Image.fromarray(image)
        assert (
            np.abs(differences(pixels.brightness(image, factor), pillow.adjust_brightness(source, factor))).max() <= 1
        )
        assert differences(pixels.brightness(image, factor), pillow.adjust_brightness(source, factor)).mean() < 0.05
        assert np.abs(differences(pixels.contrast(image, factor), pillow.adjust_contrast(source, factor))).max() <= 1
        assert (
            np.abs(differences(pixels.saturation(image, factor), pillow.adjust_saturation(source, factor))).max() <= 1
        )


def test_flip_grayscale_solarize(images):
    for image in images:
        source = Image.fromarray(image)
        assert not differences(pixels.flip(image), pillow.hflip(source)).any()
        assert not differences(pixels.solarize(image), ImageOps.solarize(source, 128)).any()
        off = np.abs(differences(pixels.grayscale(image), pillow.to_grayscale(source, 3)))
        assert off.max() <= 1
        assert off.mean() < 0.01


@pytest.mark.parametrize("shift", [-0.1, -0.03, 0.0, 0.05, 0.1])
def test_hue_is_as_near_as_eight_bits_allow(images, shift):
    """Pillow truncates hue and saturation to 8 bits where OpenCV rounds: under a level on average."""
    for image in images:
        off = differences(pixels.hue(image, shift), pillow.adjust_hue(Image.fromarray(image), shift))
        assert np.abs(off).mean() < 1.0
        assert np.abs(off).max() <= 16


@pytest.mark.parametrize("radius", [0.1, 0.5, 1.0, 1.5, 2.0])
def test_blur(images, radius):
    """Pillow rounds, and repeats the edge, in each of six passes; one kernel does so once."""
    for image in images:
        off = differences(pixels.blur(image, radius), Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
        assert np.abs(off).mean() < 1.0
        assert np.abs(off[8:-8, 8:-8]).max() <= 4


@pytest.mark.parametrize("height", range(1, 65))
def test_all_sizes_and_shapes(height):
    """Sides from 1 to 64, from tall to wide: nothing depends on a size that photographs never have."""
    rng = np.random.default_rng(height)
    image = rng.integers(0, 256, (height, 65 - height, 3), dtype=np.uint8)
    source, factor = Image.fromarray(image), float(rng.uniform(0.6, 1.4))
    assert not differences(pixels.flip(image), pillow.hflip(source)).any()
    assert not differences(pixels.solarize(image), ImageOps.solarize(source, 128)).any()
    for ours, theirs in (
        (pixels.brightness(image, factor), pillow.adjust_brightness(source, factor)),
        (pixels.contrast(image, factor), pillow.adjust_contrast(source, factor)),
        (pixels.saturation(image, factor), pillow.adjust_saturation(source, factor)),
        (pixels.grayscale(image), pillow.to_grayscale(source, 3)),
    ):
        assert np.abs(differences(ours, theirs)).max() <= 1
    resized = pillow.resize(source, [24, 24], InterpolationMode.BICUBIC)
    width_first = pixels.crop_and_resize(image, (0, 0, height, 65 - height), 24)
    height_first = pixels.crop_and_resize(image.swapaxes(0, 1), (0, 0, 65 - height, height), 24).swapaxes(0, 1)
    # Pillow up to 12 resizes the width first, as ours; Pillow 13 the height of some shapes.
    assert min(np.abs(differences(ours, resized)).max() for ours in (width_first, height_first)) <= 2
