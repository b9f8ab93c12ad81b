"""Descriptors averaged over image scales, as the released retrieval evaluation does it with class tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.models.networks.backbone import Backbone

SCALES = (1.0, 2**-0.5, 0.5)


def multi_scale(
    describe: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    scales: Sequence[float] = SCALES,
    norm: Literal["image", "batch"] = "image",
) -> Tensor:
    """Mean over `scales` of a descriptor, normalized; protocol of section 5 in the retrieval card.

    Args:
        describe: from normalized images (B, C, h, w) of any size to (B, D).
        images: (B, C, H, W), normalized; resized by bilinear interpolation without antialias.
        scales: factors of height and width.
        norm: "image" gives unit rows; "batch" divides by the norm of the whole batch, which is what the released
            code does (its batches hold one image, so the two agree there).

    Returns:
        (B, D)
    """
    mean = torch.stack([describe(_rescale_images(images, scale)) for scale in scales]).mean(dim=0)
    length: Tensor = torch.linalg.vector_norm(mean, dim=None if norm == "batch" else 1, keepdim=True)
    return mean / length


def multi_scale_class_token(
    backbone: Backbone,
    images: Tensor,
    *,
    scales: Sequence[float] = SCALES,
    norm: Literal["image", "batch"] = "image",
) -> Tensor:
    """`multi_scale` of a backbone's class token."""
    return multi_scale(backbone.class_token, images, scales=scales, norm=norm)


def _rescale_images(images: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return images
    return F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)
