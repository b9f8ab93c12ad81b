"""Maps of patches from a frozen network, and the linear head that steps of gradients train on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from dinobench.evaluators.base import EvaluationContext
from dinobench.features.preparation import padding_of
from dinobench.runtime.errors import InputError

_WEIGHT_SPREAD = 0.01

PixelArray = NDArray[np.uint8] | NDArray[np.float32]
"""(H, W, 3) pixels from 0 to 255."""


class PatchEncoder:
    """A frozen network as a function from images to maps of patches.

    Args:
        context: the model, where it computes, and in which precision.
        layer: block whose patches are taken, counted from the end.
    """

    def __init__(self, context: EvaluationContext[Any], layer: int) -> None:
        backbone = context.model.backbone
        if layer > backbone.depth:
            raise InputError(f"layer = {layer} of a model with {backbone.depth} blocks; give {backbone.depth} or less")
        self.network = context.network()
        self.patch = backbone.patch_size
        self._forward = self.network.passes(lambda images: backbone.intermediate_layers(images, layer)[0])

    def images(self, pixels: Sequence[PixelArray]) -> Tensor:
        """(B, 3, H, W) normalized images of pixels of one size, on the device."""
        return self.network.input(torch.from_numpy(np.stack(pixels)))

    def maps(self, images: Tensor) -> Tensor:
        """(B, h, w, D) float32 of normalized images (B, 3, H, W), padded with zeros to whole patches."""
        padded = pad(images, padding_of(images.shape[2], images.shape[3], self.patch))
        maps = self._forward(padded).patches.float()
        if not torch.isfinite(maps).all():
            raise InputError("the model's patch features are not finite; check its weights")
        return maps


class LinearMapHead(nn.Module):
    """Dropout of channels in training, batch norm, and a linear layer, over maps of patches."""

    def __init__(self, dim: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.norm = nn.BatchNorm2d(dim)
        self.linear = nn.Conv2d(dim, outputs, 1)
        nn.init.normal_(self.linear.weight, std=_WEIGHT_SPREAD)
        assert self.linear.bias is not None
        nn.init.zeros_(self.linear.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) outputs of maps (B, h, w, D)."""
        outputs: Tensor = self.linear(self.norm(self.dropout(maps.permute(0, 3, 1, 2))))
        return outputs


def training_order(images: int, batch: int, seed: int) -> Iterator[list[int]]:
    """Images of each batch, one shuffled epoch after the other, without end."""
    rng = np.random.default_rng(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < batch:
            waiting += rng.permutation(images).tolist()
        yield waiting[:batch]
        waiting = waiting[batch:]
