"""Propagation as CT's code does it, against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dinobench.evaluators.video_segmentation.cycle import (
    CyclePropagator,
    cycle_labels,
    stretched_frame,
    unstretched_labels,
)
from dinobench.evaluators.video_segmentation.propagation import Propagation
from dinobench.runtime.errors import InputError
from tests.evaluators.video_segmentation.test_propagation import random_frames


def dense(target: Tensor, context: list[tuple[Tensor, Tensor]], rule: Propagation) -> Tensor:
    """The definition: every context frame gives its k likeliest tokens, weighted by their share of that frame."""
    summed = torch.zeros_like(context[0][1])
    for features, labels in context:
        shares = torch.einsum("yxd,ijd->yxij", target, features).flatten(2).div(rule.temperature).softmax(-1)
        for place in np.ndindex(*target.shape[:2]):
            for source in shares[place].argsort(descending=True)[: rule.topk]:
                summed[place] += shares[place][source] * labels.flatten(0, 1)[source]
    low = summed - summed.amin((0, 1))
    return low / low.amax((0, 1))


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 5), st.integers(0, 3), st.integers(0, 99))
def test_equals_the_dense_definition(height: int, width: int, topk: int, recent: int, seed: int) -> None:
    features, labels = random_frames(5, height, width, seed)
    rule = Propagation(n_last_frames=recent, radius=0, topk=topk)
    propagator = CyclePropagator(features[0], labels[0], rule)
    first = (features[0], labels[0])
    done = [first] * recent  # frames before the first are copies of it, and the first itself is propagated too
    for number, frame in enumerate(features):
        expected = dense(frame, [first, *done[len(done) - recent :]], rule)
        done.append((frame, expected))
        if number:
            torch.testing.assert_close(propagator.step(frame), expected, rtol=0, atol=1e-9, equal_nan=True)


def test_a_channel_without_a_label_stays_empty_and_a_window_is_refused() -> None:
    features, labels = random_frames(3, 4, 5, 1)
    labels[0][..., 1] = 0
    propagator = CyclePropagator(features[0], labels[0], Propagation(2, radius=0))
    assert not propagator.step(features[1])[..., 1].any()
    with pytest.raises(InputError, match="radius=0"):
        CyclePropagator(features[0], labels[0], Propagation(2, radius=3))


def test_labels_are_stretched_to_a_square_and_come_back() -> None:
    labels = np.zeros((40, 90), np.uint8)
    labels[10:30, 20:60] = 2
    labels[0, :11] = 1  # 11 pixels are too few: an object needs 12 in the stretched mask
    soft = cycle_labels(labels, (40, 90), (5, 9))
    assert soft.shape == (5, 9, 3)
    assert soft[2, 4].tolist() == [0, 0, 1]
    assert not soft[..., 1].any()
    labels[0, :12] = 1
    assert cycle_labels(labels, (40, 90), (40, 90))[..., 1].sum() == 12
    back = unstretched_labels(cycle_labels(labels, (64, 64), (16, 16)), (64, 64), (40, 90))
    assert back.shape == labels.shape
    assert (back == labels).mean() > 0.9


def test_frames_are_stretched_as_numbers_without_rounding() -> None:
    pixels = np.array([[[0, 0, 0], [255, 128, 1]]], np.uint8)
    frame = stretched_frame(pixels, (1, 4), (0.0, 0.5, 0.0), (1.0, 0.5, 1.0))
    torch.testing.assert_close(frame[0, 0], torch.tensor([0, 0.25, 0.75, 1]))
    torch.testing.assert_close(frame[1, 0], torch.tensor([0, 0.25, 0.75, 1]) * 128 / 255 * 2 - 1)
