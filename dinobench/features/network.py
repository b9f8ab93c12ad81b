"""A frozen backbone as every task without training sees it: on a device, in a precision, from 8-bit pixels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from dinobench.data.transforms import normalize_pixels
from dinobench.features.compiled import Compiled
from dinobench.models.networks.backbone import Backbone, Preprocessing
from dinobench.runtime.precision import autocast, check_precision

Result = TypeVar("Result")


class FrozenNetwork:
    """A backbone in eval mode on `device`, whose forward passes compute in `precision`.

    Args:
        backbone: moved to `device`.
        preprocessing: mean and std of the input.
        device: where to compute.
        precision: "fp32" or "bf16" (autocast).
        compiled: whether `passes` go through torch.compile.

    Raises:
        InputError: another precision.
    """

    def __init__(
        self,
        backbone: Backbone,
        preprocessing: Preprocessing,
        device: torch.device,
        precision: str = "fp32",
        compiled: bool = False,
    ) -> None:
        check_precision(precision)
        self.backbone = backbone.to(device).eval()
        self.mean, self.std = preprocessing.mean, preprocessing.std
        self.device = device
        self.precision, self.compiled = precision, compiled

    def input(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) float32 on the device, of pixels (B, H, W, C) uint8."""
        return normalize_pixels(pixels.to(self.device), self.mean, self.std)

    def passes(self, forward: Callable[[Tensor], Result]) -> Callable[[Tensor], Result]:
        """`forward`, a function of this backbone, for many batches: normalized images (B, C, H, W) to what it gives.

        Compiled, where the network is, for the shape of the first batch; see `Compiled`.
        """
        run = _compiled_once(forward) if self.compiled else forward
        return lambda images: self.apply(run, images)

    @torch.inference_mode()
    def apply(self, forward: Callable[[Tensor], Result], images: Tensor) -> Result:
        """What `forward`, a function of this backbone, gives for normalized images (B, C, H, W)."""
        with autocast(self.device, self.precision):
            return forward(images.to(self.device))


@functools.lru_cache(maxsize=1)
def _compiled_once(forward: Callable[[Tensor], Result]) -> Callable[[Tensor], Result]:
    """`forward` compiled, kept for the model's next split."""
    return Compiled(forward)
