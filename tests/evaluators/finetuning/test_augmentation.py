from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dinobench.evaluators.finetuning.augmentation import TrainAugmentation, crop_box


def _image(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    smallest=st.floats(0.01, 1.0),
    seed=st.integers(0, 999),
)
def test_crops_lie_within_the_image(width: int, height: int, smallest: float, seed: int) -> None:
    left, top, right, bottom = crop_box((width, height), (smallest, 1.0), (3 / 4, 4 / 3), random.Random(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_crops_have_the_areas_and_aspects_asked_for() -> None:
    boxes = [crop_box((400, 400), (0.08, 1.0), (3 / 4, 4 / 3), random.Random(seed)) for seed in range(2000)]
    widths = np.array([right - left for left, _, right, _ in boxes])
    heights = np.array([bottom - top for _, top, _, bottom in boxes])
    shares = widths * heights / 400**2
    assert 0.07 < shares.min() < 0.1
    assert 0.45 < shares.mean() < 0.57
    assert 0.74 < (widths / heights).min() < 0.78
    assert abs(np.log(widths / heights).mean()) < 0.02


def test_a_whole_image_is_resized_as_pillow_does() -> None:
    for width, height, size in ((32, 32, 96), (64, 64, 64), (120, 120, 64)):
        image = _image(width, height)
        expected = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).astype(int)
        found = TrainAugmentation(size, (1.0, 1.0), 0.0, None, (1.0, 1.0))(image, random.Random(0))
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_generator_alone_decides_and_flips_mirror() -> None:
    image = _image(40, 30)
    augment = TrainAugmentation(16, (0.2, 1.0), 0.5, None)
    assert np.array_equal(augment(image, random.Random(1)), augment(image, random.Random(1)))
    assert not np.array_equal(augment(image, random.Random(1)), augment(image, random.Random(2)))
    plain, mirrored = (TrainAugmentation(16, (0.2, 1.0), flip, None)(image, random.Random(5)) for flip in (0.0, 1.0))
    assert np.abs(plain[:, ::-1].astype(int) - mirrored.astype(int)).max() <= 1
    assert plain.shape == (16, 16, 3)
