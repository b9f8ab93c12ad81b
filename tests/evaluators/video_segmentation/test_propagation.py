from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from dinobench.evaluators.video_segmentation.propagation import LabelPropagator, Propagation, propagate, propagate_video


def dense(target: torch.Tensor, sources: list, labels: list, rule: Propagation) -> torch.Tensor:
    """The definition: the whole affinity matrix, masked, cut at the k-th value, normalized."""
    height, width = target.shape[:2]
    row, column = torch.arange(height * width) // width, torch.arange(height * width) % width
    near = (row[:, None] - row).abs().maximum((column[:, None] - column).abs()) <= rule.radius
    allowed = near.repeat(1, len(sources)) if rule.radius else torch.ones_like(near.repeat(1, len(sources)))
    scores = target.flatten(0, 1) @ torch.cat([frame.flatten(0, 1) for frame in sources]).T
    affinity = (scores / rule.temperature).exp() * allowed
    kept = affinity * (affinity >= affinity.topk(rule.topk, dim=1).values[:, -1:])
    mixed = kept / kept.sum(dim=1, keepdim=True) @ torch.cat([frame.flatten(0, 1) for frame in labels])
    return mixed.reshape(height, width, -1)


def random_frames(count: int, height: int, width: int, seed: int) -> tuple[list, list]:
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    features = [functional.normalize(torch.randn(height, width, 6, **draw), dim=-1) for _ in range(count)]
    return features, [torch.rand(height, width, 3, **draw) for _ in range(count)]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 30), st.integers(1, 30), st.integers(0, 9), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99)
)
def test_equals_the_dense_definition(height: int, width: int, radius: int, topk: int, count: int, seed: int) -> None:
    features, labels = random_frames(count, height, width, seed)
    rule = Propagation(radius=radius, topk=min(topk, count * height * width))
    expected = dense(features[0], features, labels, rule)
    torch.testing.assert_close(propagate(features[0], features, labels, rule), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("radius", [0, 4])
def test_all_sources_that_tie_with_the_last_one_count(radius: int) -> None:
    features = [
        torch.eye(4, dtype=torch.float64)[torch.randint(4, (20, 30), generator=torch.Generator().manual_seed(1))]
    ]
    labels = [torch.rand(20, 30, 2, dtype=torch.float64)]
    rule = Propagation(radius=radius, topk=3)
    torch.testing.assert_close(
        propagate(features[0], features, labels, rule), dense(features[0], features, labels, rule)
    )


def test_more_neighbors_than_sources_takes_them_all() -> None:
    features, labels = random_frames(1, 3, 3, 0)
    got = propagate(features[0], features, labels, Propagation(radius=1, topk=50, temperature=1e6))
    torch.testing.assert_close(got[0, 0], labels[0][:2, :2].flatten(0, 1).mean(dim=0), rtol=1e-5, atol=1e-5)


def test_a_cold_temperature_does_not_overflow() -> None:
    features, labels = random_frames(2, 5, 5, 3)
    got = propagate(features[0], features, labels, Propagation(radius=2, temperature=1e-4))
    torch.testing.assert_close(got, labels[0])  # every token finds itself


def test_context_is_the_first_frame_and_the_last_ones() -> None:
    features, labels = random_frames(5, 4, 4, 7)
    rule = Propagation(n_last_frames=2, radius=0, topk=3)
    soft = list(propagate_video(iter(features), labels[0], rule))
    expected = dense(features[4], [features[0], *features[2:4]], [labels[0], *soft[1:3]], rule)
    torch.testing.assert_close(soft[3], expected)


def test_without_previous_frames_only_the_first_is_looked_at() -> None:
    features, labels = random_frames(3, 4, 4, 8)
    rule = Propagation(n_last_frames=0, radius=0, topk=2)
    propagator = LabelPropagator(features[0], labels[0], rule)
    propagator.step(features[1])
    torch.testing.assert_close(propagator.step(features[2]), dense(features[2], features[:1], labels[:1], rule))
