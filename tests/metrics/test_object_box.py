"""LOST and TokenCut on keys whose object is known, and overlaps of boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dinobench.metrics.object_box import ObjectPatches, box_ious, cut_object, lost_object, spectral_object


def _scene(object_rows: slice, object_columns: slice, apart: tuple[int, int] | None = None) -> torch.Tensor:
    """(8, 10, 3) keys: background along one direction, an object along another that is unlike it."""
    keys = torch.tensor([1.0, 0.1, 0.0]).repeat(8, 10, 1)
    keys[object_rows, object_columns] = torch.tensor([-0.5, 1.0, 0.0])
    if apart:
        keys[apart] = torch.tensor([-0.5, 1.0, 0.0])
    return keys + 0.01 * torch.randn(keys.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("find", [lost_object, cut_object, spectral_object])
def test_the_object_is_found_without_what_lies_apart(find: object) -> None:
    found: ObjectPatches = find(_scene(slice(2, 5), slice(3, 7), apart=(7, 0)))  # type: ignore[operator]
    if found.seed == (7, 0):  # a part of the object may be the seed by itself
        assert found.mask.sum() == 1
        return
    assert found.mask.sum() == 12
    assert found.box(8, 64, 80).tolist() == [24, 16, 56, 40]


def test_a_box_ends_where_the_image_does() -> None:
    mask = np.zeros((4, 5), dtype=bool)
    mask[1:, 2:] = True
    assert ObjectPatches(mask, (1, 2)).box(16, 60, 70).tolist() == [32, 16, 70, 60]


def test_a_seed_outside_its_own_mask_stands_alone() -> None:
    """Keys that all point apart are like none, not even the sum of the seed's own products is above zero elsewhere."""
    found = lost_object(torch.eye(6).view(2, 3, 6), 4)
    assert found.mask.sum() == 1
    assert found.mask[found.seed]
    nothing = lost_object(torch.zeros(2, 3, 4), 4)
    assert nothing.mask.sum() == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9)), min_size=1))
def test_overlaps_are_those_of_painted_pixels(boxes: list[tuple[int, int, int, int]]) -> None:
    corners = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], dtype=float)
    painted = np.zeros((len(corners), 20, 20), dtype=bool)
    for canvas, (left, top, right, bottom) in zip(painted, corners.astype(int), strict=True):
        canvas[top:bottom, left:right] = True
    expected = [(painted[0] & each).sum() / (painted[0] | each).sum() for each in painted]
    assert box_ious(corners[0], corners) == pytest.approx(expected)


def test_the_smaller_side_of_the_spectral_cut_is_the_object() -> None:
    keys = torch.zeros(4, 5, 3)
    keys[..., 0] = 1
    keys[1, 1], keys[2, 2] = torch.tensor([0.1, 1.0, 0.0]), torch.tensor([0.1, 1.0, 0.0])
    found = spectral_object(keys)
    assert np.argwhere(found.mask).tolist() == [[1, 1], [2, 2]]
    assert found.seed == (1, 1)
