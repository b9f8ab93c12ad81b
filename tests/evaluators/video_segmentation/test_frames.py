from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dinobench.evaluators.video_segmentation.frames import (
    covered,
    label_map,
    one_hot_labels,
    read_frame_tensor,
    stretch_channels,
)
from dinobench.evaluators.video_segmentation.sizes import frame_size


@given(st.integers(100, 2000), st.integers(100, 2000))
def test_shorter_side_is_kept_and_the_longer_a_multiple_below(height: int, width: int) -> None:
    size = frame_size(height, width, 480)
    short, long = size if height <= width else size[::-1]
    assert short == 480
    assert long % 64 == 0
    assert 0 <= 480 * max(height, width) / min(height, width) - long < 64


def test_reading_at_the_same_size_only_normalizes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    frame = read_frame_tensor(pixels, (64, 64), (0.5, 0.5, 0.5), (0.5, 0.25, 1.0))
    expected = (pixels.transpose(2, 0, 1) / 255 - 0.5) / np.array([0.5, 0.25, 1.0])[:, None, None]
    np.testing.assert_allclose(frame.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(480, 854), (37, 91), (91, 37), (272, 640), (480, 270), (101, 103), (64, 500)])
def test_frames_are_those_of_opencv_to_the_last_gray_level(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)
    size = frame_size(*shape, 128)
    frame = read_frame_tensor(pixels, size, (0, 0, 0), (1, 1, 1))
    levels = (255 * frame).round().permute(1, 2, 0).numpy()
    expected = cv2.resize(pixels[..., ::-1].copy(), (size[1], size[0]))[..., ::-1]  # BGR, as imread gives it
    np.testing.assert_array_equal(levels, expected)


def test_halving_averages_two_by_two() -> None:
    pixels = np.array([[0, 100], [100, 200]], dtype=np.uint8)[..., None].repeat(3, axis=2)
    assert read_frame_tensor(pixels, (1, 1), (0, 0, 0), (1, 1, 1)).flatten()[0] == pytest.approx(100 / 255)


def test_small_objects_vanish_with_their_channel() -> None:
    labels = np.zeros((32, 32), dtype=np.uint8)
    labels[:16], labels[21, 21] = 1, 2
    assert one_hot_labels(labels, (4, 4)).shape == (2, 4, 4)


def test_label_map_returns_to_the_stored_size() -> None:
    soft = torch.zeros(2, 4, 4)
    soft[0, :, :2], soft[1, :, 2:] = 1.0, 1.0
    labels = label_map(soft, 8, (50, 60))
    assert labels.shape == (50, 60)
    assert (labels[:, 50:] == 1).all()
    assert (labels[:, :10] == 0).all()


def test_a_channel_without_positive_values_stays() -> None:
    labels = torch.stack([torch.zeros(2, 2), torch.tensor([[1.0, 2.0], [3.0, 5.0]])])
    stretched = stretch_channels(labels)
    assert (stretched[0] == 0).all()
    assert stretched[1].flatten().tolist() == [0, 0.25, 0.5, 1]


@pytest.mark.parametrize("patch", [8, 14, 16])
def test_tokens_lie_where_the_network_saw_them(patch: int) -> None:
    size, stored = (480, 832), (480, 854)
    grid = (size[0] // patch, size[1] // patch)
    share = covered(grid, patch, size)
    centers = (np.arange(grid[1]) + 0.5) * patch * stored[1] / size[1]  # in pixels of the stored frame
    offsets = []
    for edge in range(50, 800, 7):
        labels = np.zeros(stored, dtype=np.uint8)
        labels[:, edge:] = 1
        tokens = one_hot_labels(labels, grid, share)
        assert (tokens[1] == torch.from_numpy(centers >= edge)).float().mean() > 0.98  # but for one that is cut through
        offsets.append(int(label_map(tokens, patch, stored, share)[0].argmax()) - edge)
    assert abs(np.mean(offsets)) < 1.5  # stretched over the whole frame, tokens of 14 px lie 3 px off on the mean


def test_a_grid_that_covers_the_frame_changes_nothing() -> None:
    assert covered((60, 104), 8, (480, 832)) == covered((15, 26), 32, (480, 816)) == (1.0, 1.0)
