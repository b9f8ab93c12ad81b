"""Propagation as STC's code does it, against its definition."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dinobench.evaluators.video_segmentation.propagation import Propagation
from dinobench.evaluators.video_segmentation.walk import WalkPropagator, enlarged_labels, reduced_labels
from tests.evaluators.video_segmentation.test_propagation import random_frames


def dense(target: Tensor, context: list[tuple[Tensor, Tensor]], rule: Propagation) -> Tensor:
    """The definition: all tokens of all frames in one row; all but the first frame's cut by a disc; k of them."""
    height, width = target.shape[:2]
    row, column = torch.arange(height * width) // width, torch.arange(height * width) % width
    squares = (row[:, None] - row).square() + (column[:, None] - column).square()
    inside = squares < rule.radius**2 if rule.radius else squares >= 0
    allowed = torch.cat([torch.ones_like(inside), inside.repeat(1, len(context) - 1)], dim=1)
    bank = torch.cat([features.flatten(0, 1) for features, _ in context])
    scores = (target.flatten(0, 1) @ bank.T).masked_fill(~allowed, -torch.inf) / rule.temperature
    best = scores.topk(rule.topk, dim=1)
    labels = torch.cat([soft.flatten(0, 1) for _, soft in context])
    return torch.einsum("tk,tkc->tc", best.values.softmax(1), labels[best.indices]).reshape(height, width, -1)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(3, 20), st.integers(3, 20), st.integers(0, 9), st.integers(1, 6), st.integers(0, 4), st.integers(0, 99)
)
def test_equals_the_dense_definition(height: int, width: int, radius: int, topk: int, recent: int, seed: int) -> None:
    features, labels = random_frames(5, height, width, seed)
    rule = Propagation(n_last_frames=recent, radius=radius, topk=topk)
    walk = WalkPropagator(features[0], labels[0], rule)
    done = [(features[0], labels[0])]
    for frame in features[1:]:
        copies = [done[0]] * recent  # frames before the first are copies of it
        context = [done[0], *[*copies, *done][len(done) :]] if recent else [done[0]]
        expected = dense(frame, context, rule)
        got = walk.step(frame)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
        done.append((frame, got))


def test_labels_are_reduced_to_shares_and_come_back() -> None:
    labels = np.zeros((32, 48), np.uint8)
    labels[8:24, 16:40] = 2
    soft = reduced_labels(labels, (4, 6))
    assert soft.shape == (4, 6, 3)
    torch.testing.assert_close(soft.sum(-1), torch.ones(4, 6))
    assert soft[2, 3].tolist() == [0, 0, 1]
    back = enlarged_labels(soft, (32, 48))
    assert back.shape == labels.shape
    assert (back == labels).mean() > 0.95
