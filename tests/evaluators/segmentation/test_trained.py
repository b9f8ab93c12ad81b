"""The trained head: schedules by the released code's figures, loss, crops, and the order of images."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.evaluators.common.patch_maps import training_order
from dinobench.evaluators.segmentation.augment import distort, training_crop
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.evaluators.segmentation.trained import learning_rate, pixel_loss
from tests.evaluators.toys import picture


def test_the_cosine_schedule_is_that_of_dinov3s_kit() -> None:
    """Figures of WarmupOneCycleLR: 400 steps at most 1e-3, 15 of warm-up from 1e-6 of it."""
    settings = Settings(iterations=400, warmup_iterations=15, schedule="cosine", lr=1e-3)
    released = {
        0: 1e-9,
        1: 1e-9,
        2: 6.650093100000005e-05,
        14: 0.0008385001290000001,
        15: 0.000900666731,
        16: 0.000996057350657239,
        398: 6.168375916970615e-08,
        399: 1.5421177605168258e-08,
    }
    assert {step: learning_rate(step, settings) for step in released} == pytest.approx(released, rel=1e-9)


def test_the_linear_schedule_rises_and_falls() -> None:
    settings = Settings(iterations=100, warmup_iterations=10, lr=1.0)
    assert learning_rate(0, settings) == pytest.approx(1e-6)
    assert learning_rate(5, settings) == pytest.approx(0.95 * (0.5 + 0.5e-6))
    assert [learning_rate(step, settings) for step in (10, 50, 99)] == pytest.approx([0.9, 0.5, 0.01])


def test_void_pixels_count_zero_in_the_mean_over_all() -> None:
    scores = torch.zeros(1, 4, 2, 2)
    labels = torch.tensor([[[0, 255], [255, 255]]])
    assert float(pixel_loss(scores, labels)) == pytest.approx(np.log(4) / 4)


def test_an_epoch_shows_every_image_once() -> None:
    order = [index for batch in islice(training_order(5, 2, 0), 5) for index in batch]
    assert sorted(order[:5]) == sorted(order[5:]) == list(range(5))
    assert order[:5] != order[5:]


def test_crops_and_their_classes_move_together() -> None:
    labels = np.arange(48 * 40).reshape(40, 48) % 251
    image = Image.fromarray(np.repeat(labels[..., None], 3, axis=2).astype(np.uint8))
    settings = Settings(
        image_size=40,
        window=24,
        stride=24,
        resize_range=(1.0, 1.0),
        distortion=False,
        most_of_one=0.999,
        interpolation="bilinear",
    )
    for seed in range(6):
        frame = training_crop(image, labels.astype(np.uint8), settings, np.random.default_rng(seed))
        assert frame.labels.shape == (24, 24)
        assert np.array_equal(frame.pixels[..., 0], frame.labels)


def test_a_crop_of_one_class_is_drawn_again() -> None:
    labels = np.zeros((40, 400), dtype=np.uint8)
    labels[:, 360:] = 1
    settings = Settings(image_size=40, window=40, stride=40, resize_range=(1.0, 1.0), distortion=False)
    image = Image.fromarray(np.zeros((40, 400, 3), dtype=np.uint8))
    rng = np.random.default_rng(0)
    mixed = [len(np.unique(training_crop(image, labels, settings, rng).labels)) for _ in range(60)]
    assert mixed.count(2) > 20  # a single draw shows both classes in one crop of nine


def test_distortion_changes_colors_and_nothing_else() -> None:
    pixels = np.asarray(picture(0))
    drawn = [distort(pixels, np.random.default_rng(seed)) for seed in range(12)]
    assert all(each.shape == pixels.shape and each.dtype == np.uint8 for each in drawn)
    assert len({each.tobytes() for each in drawn}) > 8
    assert any(np.array_equal(each, pixels) for each in (distort(pixels, np.random.default_rng(s)) for s in range(60)))
