from __future__ import annotations

import random

import numpy as np
from PIL import Image

from dinobench.evaluators.finetune.augmentation import TrainAugmentation


def _image(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


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
