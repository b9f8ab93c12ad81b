"""Windows, padding, and from patches to pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dinobench.evaluators.segmentation.frames import patch_labels
from dinobench.evaluators.segmentation.sizes import short_side_size
from dinobench.evaluators.segmentation.windows import pixel_scores, slide_over, window_boxes
from dinobench.features.preparation import padding_of


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_windows_cover_every_pixel_and_lie_within(height: int, width: int, side: int, stride: int) -> None:
    covered = np.zeros((height, width), dtype=int)
    for top, bottom, left, right in window_boxes(height, width, side, min(stride, side)):
        assert 0 <= top < bottom <= height and 0 <= left < right <= width
        assert bottom - top == min(side, height)
        assert right - left == min(side, width)
        covered[top:bottom, left:right] += 1
    assert covered.all()


def test_a_pixel_has_the_mean_of_its_windows() -> None:
    image = torch.arange(5 * 7, dtype=torch.float32).view(1, 1, 5, 7).repeat(1, 3, 1, 1)
    numbers = iter(range(100))

    def scorer(window: torch.Tensor) -> torch.Tensor:
        return torch.stack([window[0, 0], torch.full(window.shape[2:], float(next(numbers)))])

    scores = slide_over(image, scorer, 4, 3)
    assert torch.equal(scores[0], image[0, 0])
    assert scores[1, 0].tolist() == [0, 0, 0, 0.5, 1, 1, 1]
    assert scores[1, 1].tolist() == [1, 1, 1, 1.5, 2, 2, 2]


def test_an_image_below_the_window_is_shown_by_squares() -> None:
    shapes = []

    def scorer(window: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(window.shape[2:]))
        return window[0]

    slide_over(torch.zeros(1, 3, 6, 9), scorer, 20, 5)
    assert shapes == [(6, 6), (6, 6)]


def test_padding_lies_around_the_image_and_is_cut_away() -> None:
    assert padding_of(10, 13, 4) == (1, 2, 1, 1)
    labels = np.arange(130, dtype=np.uint8).reshape(10, 13)
    patches = patch_labels(labels, 4)
    assert patches.shape == (12, 16)
    assert patches[0].tolist() == [255] * 4 + [255, 0, 1, 2, 255, 13, 14, 15, 255, 26, 27, 28]
    scores = torch.from_numpy(patches.astype(np.float32)).view(1, 3, 4, 16)
    assert torch.equal(pixel_scores(scores, (10, 13), 4, "repeat")[0], torch.from_numpy(labels).float())


def test_scores_of_patches_are_repeated_smoothed_or_stretched() -> None:
    scores = torch.tensor([[[0.0, 1.0]]])
    assert pixel_scores(scores, (2, 4), 2, "repeat").tolist() == [[[0, 0, 1, 1]] * 2]
    assert pixel_scores(scores, (2, 4), 2, "bilinear").tolist() == [[[0, 0.25, 0.75, 1]] * 2]
    assert pixel_scores(scores, (2, 3), 2, "bilinear").tolist() == [[[0, 0.25, 0.75]] * 2]
    assert pixel_scores(scores, (2, 3), 2, "stretch")[0, 0].tolist() == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("size", "expected"), [((300, 400), (512, 683)), ((640, 427), (767, 512)), ((9, 9), (512, 512))]
)
def test_the_longer_side_is_rounded_to_the_nearest(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert short_side_size(size, 512) == expected
