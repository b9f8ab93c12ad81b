"""DINOv3's propagation beside its definition over all pairs of tokens, its sizes, and its labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize, one_hot

from dinobench.data.registry import get_twin
from dinobench.evaluators.video_segmentation.disc import (
    DiscPropagator,
    nearest_labels,
    stretched_labels,
)
from dinobench.evaluators.video_segmentation.evaluate import evaluate
from dinobench.evaluators.video_segmentation.propagation import Propagation
from dinobench.evaluators.video_segmentation.sizes import rounded_up_size
from tests.evaluators.toys import context


def _by_definition(target: torch.Tensor, bank: torch.Tensor, values: torch.Tensor, how: Propagation) -> torch.Tensor:
    """Every token with every token of the context; (h, w, C)."""
    height, width = target.shape[:2]
    places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float()
    near = torch.cdist(places, places) <= (how.radius or 1e6)
    scores = torch.einsum("nd,tmd->ntm", target.flatten(0, 1), bank.flatten(1, 2))
    scores = scores.masked_fill(~near[:, None], -torch.inf).flatten(1)
    kept = scores >= scores.topk(how.topk).values[:, -1:]
    weights = torch.softmax(scores.masked_fill(~kept, -torch.inf) / how.temperature, 1)
    return (weights @ values.flatten(0, 2)).view(height, width, -1)


@pytest.mark.parametrize("radius", [0, 2, 4, 40])
@pytest.mark.parametrize("ties", [False, True])
def test_labels_are_those_of_the_definition(radius: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(radius)
    features = normalize(torch.randn(4, 15, 17, 8, generator=generator), dim=-1)
    features = torch.eye(8)[features.argmax(-1)] if ties else features
    first = one_hot(torch.randint(0, 3, (15, 17), generator=generator), 3).float()
    how = Propagation(2, radius, 4, 0.2)
    propagator, known = DiscPropagator(features[0], first, how), [(features[0], first)]
    for frame in features[1:]:
        recent = [known[0], *known[1:][-2:]]
        bank, values = (torch.stack(part) for part in zip(*recent, strict=True))
        expected = _by_definition(frame, bank, values, how)
        found = propagator.step(frame)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        known.append((frame, found))


@pytest.mark.parametrize(
    ("size", "short", "patch", "expected"),
    [
        ((480, 854), 960, 16, (960, 1712)),
        ((480, 854), 90, 4, (92, 164)),
        ((854, 480), 960, 14, (1722, 966)),
        ((100, 130), 0, 16, (112, 144)),
    ],
)
def test_both_sides_are_rounded_up(size: tuple, short: int, patch: int, expected: tuple) -> None:
    assert rounded_up_size(*size, short, patch) == expected


def test_labels_are_reduced_and_enlarged_by_nearest() -> None:
    labels = np.zeros((8, 8), dtype=np.uint8)
    labels[:4, 4:], labels[7, 7] = 1, 2
    small = nearest_labels(labels, (2, 2))
    assert small.shape == (2, 2, 3)
    assert small.argmax(-1).tolist() == [[0, 1], [0, 0]]
    assert stretched_labels(small, (8, 8)).tolist() == np.where(labels == 2, 0, labels).tolist()
    constant = torch.tensor([[[0.2, 0.5, 0.3], [0.1, 0.5, 0.4]]])
    assert stretched_labels(constant, (1, 2)).tolist() == [[0, 2]]


def test_the_protocol_follows_drawn_videos(tmp_path: Path) -> None:
    get_twin("davis").write(tmp_path / "data", height=64)
    scores = evaluate(
        context("davis", "dinov3", tmp_path / "data", tmp_path / "out", "random:vit_mini/8", image_size=60)
    )
    assert 0 < scores.metrics["jf_mean"] <= 100
