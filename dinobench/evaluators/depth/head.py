"""The head that weighs depths by linear scores of patches, its loss, and its training, as DINOv3's kit has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.patch_maps import LinearMapHead, PatchEncoder, training_order
from dinobench.evaluators.depth.augment import augmented
from dinobench.evaluators.depth.frames import DepthFrame, DepthReader, read_frame
from dinobench.evaluators.depth.settings import DepthHeadSettings, Settings
from dinobench.features.loading import map_ahead
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError

_LEAST_SCORE = 0.1
_TINY = 0.001  # meters, added before the logarithm
_SQUARE_SHARE = 0.15
_FIRST_RATE, _LAST_RATE = 1 / 1000, 1 / 25_000  # of the highest


class DepthHead(nn.Module):
    """Depth of each patch: the mean of evenly spaced depths, weighed by max(score, 0) + 0.1 (AdaBins).

    Args:
        dim: D of the patches.
        bins: how many depths.
        low, high: the first and the last, in meters.
    """

    def __init__(self, dim: int, bins: int, low: float, high: float) -> None:
        super().__init__()
        self.scores = LinearMapHead(dim, bins)
        self.register_buffer("depths", torch.linspace(low, high, bins))
        self.depths: Tensor

    def forward(self, maps: Tensor) -> Tensor:
        """(B, 1, h, w) meters of maps (B, h, w, D)."""
        weights = torch.relu(self.scores(maps)) + _LEAST_SCORE
        return torch.einsum("bkhw,k->bhw", weights / weights.sum(1, keepdim=True), self.depths)[:, None]


def scale_invariant_loss(predicted: Tensor, truth: Tensor, variance: bool) -> Tensor:
    """Root of 0.15 times the squared mean, plus the variance, of the difference of logarithms.

    Args:
        predicted: (n,) meters.
        truth: (n,) meters.
        variance: whether its term counts.
    """
    difference = torch.log(predicted + _TINY) - torch.log(truth + _TINY)
    total = _SQUARE_SHARE * difference.mean().square()
    if variance:
        total = total + difference.var()
    return total.sqrt() if total > 0 else total.abs()


def learning_rate(step: int, settings: DepthHeadSettings) -> float:
    """Of a step, from 0: in the warm-up a thousandth of the highest and more, then down a cosine over all steps."""
    total, warm_up = settings.iterations, settings.warmup_iterations
    if step < warm_up:
        rising = (1 + math.cos(math.pi * step / total)) / 2 * step / warm_up
        return settings.lr * (_FIRST_RATE + rising)
    return settings.lr * (_LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * (step + 1) / total)) / 2)


def first_beta(step: int, settings: DepthHeadSettings) -> float:
    """AdamW's beta1 of a step: 0 during the warm-up, then up a cosine."""
    passed = step - settings.warmup_iterations
    if passed < 0:
        return 0.0
    low, high = settings.momentum
    share = passed / (settings.iterations - settings.warmup_iterations)
    return high + (low - high) / 2 * (1 + math.cos(math.pi * share))


def train_head(
    context: EvaluationContext[Settings], encoder: PatchEncoder, images: ImageSet, read: DepthReader
) -> DepthHead:
    """Train on random crops of the images for the protocol's steps; the backbone stays as it is.

    Raises:
        InputError: the loss is not finite, or no pixel of a step's crops has a depth.
    """
    settings = context.settings
    torch.manual_seed(context.seed)
    head = DepthHead(context.model.backbone.dim, settings.bins, settings.min_depth, settings.max_depth)
    head.to(context.device).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    order = islice(training_order(len(images), settings.batch_size, context.seed), settings.iterations)
    batches = map_ahead(lambda each: _batch(context, images, read, *each), enumerate(order), context.workers)
    for step, frames in enumerate(progress(batches, "training the head", settings.iterations)):
        for group in optimizer.param_groups:
            group["lr"], group["betas"] = learning_rate(step, settings), (first_beta(step, settings), settings.beta2)
        maps = encoder.maps(encoder.images([frame.pixels for frame in frames])).clone()  # made in inference mode
        truth = torch.from_numpy(np.stack([frame.depth for frame in frames])).to(maps.device)[:, None]
        loss = step_loss(head(maps), truth, settings, step)
        if not torch.isfinite(loss):
            raise InputError(f"the head's loss is not finite at step {step}; lower lr")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(head.parameters(), settings.gradient_norm)
        optimizer.step()
    return head.eval()


def step_loss(predicted: Tensor, truth: Tensor, settings: Settings, step: int) -> Tensor:
    """The mean of the losses of each few images, over the pixels whose depth is known.

    Args:
        predicted: (B, 1, h, w) meters of the patches.
        truth: (B, 1, H, W) meters, 0 unknown.
        settings: how many images share a loss, and when its variance counts.
        step: from 0.

    Raises:
        InputError: no depth is known.
    """
    enlarged = F.interpolate(predicted, truth.shape[2:], mode="bilinear")
    variance = step >= settings.no_variance
    parts = zip(torch.split(enlarged, settings.loss_images), torch.split(truth, settings.loss_images), strict=True)
    losses = [
        scale_invariant_loss(found[true > 0], true[true > 0], variance)
        for found, true in parts
        if bool((true > 0).any())
    ]
    if not losses:
        raise InputError(f"no depth is known in the training crops of step {step}; check the depth maps")
    return torch.stack(losses).mean()


def _batch(
    context: EvaluationContext[Settings], images: ImageSet, read: DepthReader, step: int, chosen: Sequence[int]
) -> list[DepthFrame]:
    frames = []
    for number, index in enumerate(chosen):
        rng = np.random.default_rng([context.seed, step, number])
        frame = read_frame(images, index, read, context.settings, training=True)
        frames.append(augmented(frame, context.settings, rng, images.names[index]))
    return frames
