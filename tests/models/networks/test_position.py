"""The ways to resize a position table, against the libraries that use them."""

from __future__ import annotations

import pytest
import torch
from timm.layers import resample_abs_pos_embed

from dinobench.models.networks.position import RESIZE_WAYS, RotaryPositions, resize_position_table
from dinobench.runtime.errors import InputError


@pytest.mark.parametrize("grid", [(7, 7), (14, 14), (9, 20), (3, 5)])
def test_timm_way_equals_timm(grid: tuple[int, int]) -> None:
    table = torch.randn(1, 14 * 14, 8)
    expected = resample_abs_pos_embed(table, list(grid), num_prefix_tokens=0)
    torch.testing.assert_close(resize_position_table(table, grid, square=False, way="timm"), expected)


def test_only_the_released_way_looks_at_pixels() -> None:
    table = torch.randn(1, 16, 8)
    changed = {way for way in RESIZE_WAYS if resize_position_table(table, (4, 4), square=False, way=way) is not table}
    assert changed == {"released"}


def test_a_table_that_is_no_square_is_refused() -> None:
    with pytest.raises(InputError, match="not a square grid"):
        resize_position_table(torch.zeros(1, 15, 8), (2, 2), square=True)


def test_rotation_keeps_lengths_and_leaves_leading_tokens_alone() -> None:
    rotation = RotaryPositions(16)((3, 5))
    heads = torch.randn(2, 4, 3 * 5 + 2, 16)
    rotated = rotation.apply(heads)
    torch.testing.assert_close(rotated.norm(dim=-1), heads.norm(dim=-1))
    assert torch.equal(rotated[:, :, :2], heads[:, :, :2])
    assert not torch.allclose(rotated[:, :, 2:], heads[:, :, 2:])
    assert torch.equal(rotation.apply(heads[:, :, :1]), heads[:, :, :1])
