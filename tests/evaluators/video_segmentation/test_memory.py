"""Propagation as MAST's code does it, against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.evaluators.video_segmentation.memory import (
    MemoryPropagator,
    expected_shift,
    spaced_labels,
    strongest_labels,
    window_products,
)
from dinobench.evaluators.video_segmentation.propagation import Propagation

HEIGHT, WIDTH, RADIUS = 5, 7, 2


def read(frame: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """A frame (h, w, D) between its tokens at (...), bilinear, zero outside: (..., D)."""
    height, width = frame.shape[:2]
    places = torch.stack([columns / (width - 1), rows / (height - 1)], -1) * 2 - 1
    picture = frame.permute(2, 0, 1)[None]
    found = F.grid_sample(picture, places.reshape(1, 1, -1, 2), align_corners=True)
    return found[0, :, 0].T.reshape(*rows.shape, -1)


def windows(frame: Tensor, step: int = 1, shift: Tensor | None = None) -> Tensor:
    """(h, w, side * side, D): what each target sees."""
    near = torch.arange(-RADIUS, RADIUS + 1, dtype=frame.dtype) * step
    down, across = torch.meshgrid(near, near, indexing="ij")
    row, column = torch.meshgrid(*(torch.arange(side, dtype=frame.dtype) for side in frame.shape[:2]), indexing="ij")
    middle = torch.stack([row, column], -1) + (0 if shift is None else shift)
    return read(frame, middle[..., :1] + down.flatten(), middle[..., 1:] + across.flatten())


def products(target: Tensor, seen: Tensor) -> Tensor:
    return torch.einsum("yxd,yxnd->yxn", target, seen)


def place_of(target: Tensor, source: Tensor, step: int) -> Tensor:
    near = torch.arange(-RADIUS, RADIUS + 1, dtype=target.dtype)
    grid = torch.stack(torch.meshgrid(near, near, indexing="ij"), -1).flatten(0, 1)
    return products(target, windows(source, step)).softmax(-1) @ grid * step


def test_each_frame_equals_the_definition_while_the_memory_grows_old() -> None:
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(52, HEIGHT, WIDTH, 3, generator=generator, dtype=torch.float64)
    first = F.one_hot(torch.randint(0, 3, (HEIGHT, WIDTH), generator=generator), 3).double()

    def harden(soft: Tensor) -> Tensor:
        return F.one_hot(soft.argmax(-1), 3).double()

    propagator = MemoryPropagator(features[0], first, Propagation(3, RADIUS, temperature=0.7), harden)
    labels = [first]
    for now in range(1, len(features)):
        last = now - 1
        chosen = {0, *([5] if last >= 5 else []), *(each for each in (last, last - 2, last - 4) if each > 0)}
        scores, known, shift = [], [], None
        for number in sorted(chosen):
            away = now - number
            if away > 15:
                shift = place_of(features[now], features[number], min(4, away // 15 + 1))
            scores.append(products(features[now], windows(features[number], shift=shift if away > 15 else None)))
        for number in sorted(chosen):
            known.append(windows(labels[number], shift=shift if now - number > 15 else None))
        shares = (torch.cat(scores, -1) / 0.7).softmax(-1)
        expected = torch.einsum("yxn,yxnc->yxc", shares, torch.cat(known, 2))
        got = propagator.step(features[now])
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)
        labels.append(harden(expected))


@pytest.mark.parametrize(("height", "width", "step"), [(13, 25, 1), (14, 3, 2), (26, 13, 4)])
def test_products_and_shifts_of_frames_that_are_no_multiple_of_a_tile(height: int, width: int, step: int) -> None:
    target, source = torch.randn(2, height, width, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(window_products(target, source, RADIUS), products(target, windows(source)))
    torch.testing.assert_close(expected_shift(target, source, RADIUS, step), place_of(target, source, step))


def test_labels_are_read_at_the_corner_of_a_token_and_come_back_at_the_frames_size() -> None:
    labels = np.arange(9 * 14, dtype=np.uint8).reshape(9, 14) % 5
    small = spaced_labels(labels, (9, 14), (3, 4), 4, 7)
    assert small.shape == (3, 4, 7)
    assert torch.equal(small.argmax(-1), torch.from_numpy(labels[::4, ::4].astype(np.int64)))
    back = strongest_labels(small, (9, 14))
    assert back.shape == (9, 14)
    assert (back[0, 0], back[-1, -1]) == (labels[0, 0], labels[8, 12])
