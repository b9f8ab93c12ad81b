"""A head of batch norm and one linear layer, trained on random crops by AdamW: protocols `dinov2` and `dinov3`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.patch_maps import LinearMapHead, PatchEncoder, training_order
from dinobench.evaluators.segmentation.augment import training_crop
from dinobench.evaluators.segmentation.frames import Frame, MaskReader, read_masked
from dinobench.evaluators.segmentation.settings import Settings, TrainedHeadSettings
from dinobench.features.loading import map_ahead
from dinobench.metrics.class_areas import VOID
from dinobench.runtime.console import progress
from dinobench.runtime.errors import InputError

_WARM_UP_FROM = 1e-6


def learning_rate(step: int, settings: TrainedHeadSettings) -> float:
    """Of a step, from 0.

    "linear": falls to 0 over all steps (mmsegmentation's poly policy of power 1). "cosine": DINOv3's kit, whose
    schedule begins at the second step. Both rise from a millionth, while they fall as well, in the warm-up's steps.
    """
    total, warm_up = settings.iterations, settings.warmup_iterations
    cosine = settings.schedule == "cosine"
    at = max(step - 1, 0) if cosine else step
    falling = 1 - at / total
    if at < warm_up:
        return settings.lr * falling * (1 - (1 - at / warm_up) * (1 - _WARM_UP_FROM))
    return settings.lr * ((1 + math.cos(math.pi * (at + 1) / total)) / 2 if cosine else falling)


def pixel_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of scores (B, C, H, W) with classes (B, H, W): the mean over all pixels, void ones counting 0."""
    return F.cross_entropy(scores, labels, ignore_index=VOID, reduction="none").mean()


def train_head(
    context: EvaluationContext[Settings], encoder: PatchEncoder, images: ImageSet, read: MaskReader
) -> LinearMapHead:
    """Train on random crops of the images for the protocol's steps; the backbone stays as it is.

    Raises:
        InputError: the loss is not finite.
    """
    settings = context.settings
    torch.manual_seed(context.seed)
    head = LinearMapHead(context.model.backbone.dim, len(images.classes), settings.dropout).to(context.device).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    order = islice(training_order(len(images), settings.batch_size, context.seed), settings.iterations)
    batches = map_ahead(lambda each: _batch(context, images, read, *each), enumerate(order), context.workers)
    for step, frames in enumerate(progress(batches, "training the head", settings.iterations)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        inputs, labels = padded_crops(encoder, frames, settings.window or settings.image_size)
        scores = head(encoder.maps(inputs).clone())  # a clone, as the encoder's maps are made in inference mode
        loss = pixel_loss(F.interpolate(scores, labels.shape[1:], mode="bilinear"), labels)
        if not torch.isfinite(loss):
            raise InputError(f"the head's loss is not finite at step {step}; lower lr")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
    return head.eval()


def _batch(
    context: EvaluationContext[Settings], images: ImageSet, read: MaskReader, step: int, chosen: Sequence[int]
) -> list[Frame]:
    frames = []
    for number, index in enumerate(chosen):
        rng = np.random.default_rng([context.seed, step, number])
        frames.append(training_crop(*read_masked(images, index, read), context.settings, rng))
    return frames


def padded_crops(encoder: PatchEncoder, frames: Sequence[Frame], side: int) -> tuple[Tensor, Tensor]:
    """(B, 3, side, side) normalized images and (B, side, side) classes; what crops do not fill is zero and void."""
    images, labels = [], []
    for frame in frames:
        height, width = frame.labels.shape
        gap = (0, side - width, 0, side - height)
        images.append(F.pad(encoder.images([frame.pixels]), gap))
        labels.append(F.pad(torch.from_numpy(frame.labels.copy()), gap, value=VOID))
    return torch.cat(images), torch.stack(labels).to(images[0].device).long()
