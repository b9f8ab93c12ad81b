"""Where a token stands: learned tables resized to another grid, and rotary angles."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.runtime.errors import InputError

ResizeWay = Literal["released", "size", "timm"]
RESIZE_WAYS: tuple[ResizeWay, ...] = ("released", "size", "timm")


def resize_position_table(table: Tensor, grid: tuple[int, int], *, square: bool, way: ResizeWay = "released") -> Tensor:
    """Resize the patch part of a learned position table to another grid.

    The three ways differ by up to whole units in the table, so which one belongs to the weights:
    `released` (DINO, DINOv2): bicubic by the scale factor (n + 0.1) / sqrt(N) per axis, without antialias, and
    untouched only if the number of patches matches AND the image is square in pixels; `size` (transformers):
    bicubic to the size, without antialias; `timm` (also DINOv2 with registers): bicubic to the size, antialiased.

    Args:
        table: (1, N, D), N a square number, row-major.
        grid: (h, w) in patches.
        square: whether the image is as high as wide in pixels.
        way: one of `RESIZE_WAYS`.

    Returns:
        (1, h * w, D)
    """
    height, width = grid
    patches, dim = table.shape[1:]
    side = math.isqrt(patches)
    if side * side != patches:
        raise InputError(f"position table of {patches} patches is not a square grid; this model cannot be resized")
    if patches == height * width and (square if way == "released" else height == width):
        return table
    image = table.reshape(1, side, side, dim).permute(0, 3, 1, 2)
    if way == "released":
        scale = ((height + 0.1) / side, (width + 0.1) / side)
        resized = F.interpolate(image, scale_factor=scale, mode="bicubic", align_corners=False)
    else:
        resized = F.interpolate(image, size=grid, mode="bicubic", align_corners=False, antialias=way == "timm")
    return resized.permute(0, 2, 3, 1).reshape(1, height * width, dim)


class Rotation:
    """Rotary angles of one patch grid, applied to queries or keys; leading (class, register) tokens stay put."""

    def __init__(self, cos: Tensor, sin: Tensor) -> None:
        self.cos, self.sin = cos, sin

    def apply(self, heads: Tensor) -> Tensor:
        """Rotate the patch tokens of (B, heads, n, d), which come last; queries without patch tokens pass."""
        patches = self.cos.shape[0]
        if heads.shape[-2] < patches:
            return heads
        leading, rotated = heads[..., :-patches, :], heads[..., -patches:, :]
        first, second = rotated.chunk(2, dim=-1)
        turned = torch.cat([-second, first], dim=-1)
        return torch.cat([leading, rotated * self.cos + turned * self.sin], dim=-2)


class RotaryPositions(nn.Module):
    """DINOv3's axial rotary positions: one learned-free period per quarter of a head's width.

    A patch's center in (-1, 1) per axis turns by 2 pi center / period; rows take the first quarter of a head's
    channels, columns the second, and the two halves of the head share the angles.
    """

    periods: Tensor

    def __init__(self, head_dim: int, base: float = 100.0) -> None:
        super().__init__()
        exponents = torch.arange(head_dim // 4, dtype=torch.float32) / (head_dim // 4)
        self.register_buffer("periods", base**exponents)

    def forward(self, grid: tuple[int, int]) -> Rotation:
        """The rotation of an (h, w) grid."""
        rows, columns = (self._patch_centers(length) for length in grid)
        centers = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2, 1)
        angles = (2 * math.pi * centers / self.periods).flatten(1).tile(2)
        return Rotation(angles.cos(), angles.sin())

    def _patch_centers(self, length: int) -> Tensor:
        steps = torch.arange(length, dtype=self.periods.dtype, device=self.periods.device)
        return 2 * (steps + 0.5) / length - 1
