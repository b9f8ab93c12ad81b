"""The depth head, its loss, rates and augmentation: figures of DINOv3's released code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dinobench.evaluators.depth.augment import augmented, recolor, rotate
from dinobench.evaluators.depth.frames import DepthFrame
from dinobench.evaluators.depth.head import DepthHead, first_beta, learning_rate, step_loss
from dinobench.evaluators.depth.settings import Settings
from dinobench.runtime.errors import InputError


def _waves(*shape: int) -> Tensor:
    return torch.sin(torch.arange(float(np.prod(shape)))).reshape(shape)


def test_depths_are_those_of_the_released_head() -> None:
    """Figures of LinearHead and FeaturesToDepth with these weights, in evaluation and in training."""
    head = DepthHead(6, 8, 0.001, 10.0)
    with torch.no_grad():
        head.scores.linear.weight.copy_(3 * _waves(8, 6, 1, 1))
        head.scores.linear.bias.copy_(_waves(8))
        head.scores.norm.weight.copy_(1 + _waves(6) / 2)
        head.scores.norm.running_mean.copy_(_waves(6) / 3)
    maps = 2 * _waves(1, 2, 3, 6)
    evaluated = [2.34318208694458, 3.1383259296417236, 4.138263702392578]
    evaluated += [4.963983535766602, 5.7399773597717285, 6.556895732879639]
    trained = [0.853173017501831, 1.4735009670257568, 2.3646962642669678]
    trained += [5.820053577423096, 8.294079780578613, 8.993501663208008]
    assert head.eval()(maps).flatten().tolist() == pytest.approx(evaluated, rel=1e-6)
    assert head.train()(maps).flatten().tolist() == pytest.approx(trained, rel=1e-6)


def test_the_loss_is_the_released_one_of_two_images_each() -> None:
    """Figures of SigLoss on images 0 and 1, and 2 and 3, without the variance in the first steps."""
    generator = torch.Generator().manual_seed(0)
    predicted = torch.rand(4, 1, 13, 17, generator=generator) * 9 + 0.01
    truth = torch.rand(4, 1, 13, 17, generator=generator) * 9
    truth[truth < 2] = 0
    assert float(step_loss(predicted, truth, Settings(), 99)) == pytest.approx(0.15487319231033325, rel=1e-6)
    assert float(step_loss(predicted, truth, Settings(), 100)) == pytest.approx(1.0307230949401855, rel=1e-6)


def test_images_without_known_depth_are_left_out_of_the_loss() -> None:
    predicted, truth = torch.rand(4, 1, 5, 6) + 1, torch.rand(4, 1, 5, 6) + 1
    alone = step_loss(predicted[:2], truth[:2], Settings(), 500)
    truth[2:] = 0
    assert step_loss(predicted, truth, Settings(), 500) == alone
    with pytest.raises(InputError, match="no depth is known in the training crops of step 7"):
        step_loss(predicted[2:], truth[2:], Settings(), 7)


def test_rates_are_those_of_the_released_schedule() -> None:
    """Figures of WarmupOneCycleLR: 30 steps, 10 of warm-up, at most 3e-4."""
    settings = Settings(iterations=30, warmup_iterations=10)
    rates = {0: 3e-7, 1: 3.0217828430524096e-05, 9: 0.00021465100905948385, 10: 0.00021101405604151156}
    rates |= {14: 0.00015000599999999997, 29: 1.1999999999999998e-08}
    betas = {0: 0, 9: 0, 10: 0.85, 11: 0.8506155829702431, 20: 0.8999999999999999, 29: 0.9493844170297568}
    assert {step: learning_rate(step, settings) for step in rates} == pytest.approx(rates, rel=1e-12)
    assert {step: first_beta(step, settings) for step in betas} == pytest.approx(betas, rel=1e-12)


def test_an_image_and_its_depth_move_together() -> None:
    rows, columns = np.mgrid[:40, :56]
    depth = (1 + rows + 2 * columns).astype(np.float32)
    pixels = np.repeat(depth[..., None], 3, axis=2)
    settings = Settings(crop_height=24, crop_width=30, colors=0.0, rotation=0.0)
    corners = set()
    for seed in range(12):
        frame = augmented(DepthFrame(pixels, depth), settings, np.random.default_rng(seed), "x")
        assert frame.depth.shape == (24, 30)
        assert np.array_equal(frame.pixels[..., 1], frame.depth)
        corners.add(float(frame.depth[0, 0]))
    assert len(corners) > 6
    turned, known = rotate(pixels, depth, 2.0)
    assert known[0, 0] == 0
    assert turned[0, 0, 0] < 1
    assert np.abs(turned[15:25, 20:36, 0] - known[15:25, 20:36]).max() < 3


def test_colors_are_changed_as_a_power_and_factors() -> None:
    pixels = np.full((1, 1, 3), 100, dtype=np.float32)
    found = recolor(pixels, 1.1, 0.8, np.array([0.9, 1.0, 3.0]))
    assert found.ravel().tolist() == pytest.approx([100**1.1 * 0.72, 100**1.1 * 0.8, 255])


def test_a_crop_that_no_image_fills_is_refused() -> None:
    frame = DepthFrame(np.zeros((20, 30, 3), np.uint8), np.ones((20, 30), np.float32))
    with pytest.raises(InputError, match=r"room.jpg is 30 x 20 as it is trained on, smaller than crops of 544 x 416"):
        augmented(frame, Settings(), np.random.default_rng(0), "room.jpg")
