"""Parameters and images per second of a forward pass (paper, Tables 1 and 2)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.throughput.settings import Settings
from dinobench.runtime.device import device_name
from dinobench.runtime.processes import from_first

PAPER_DEVICE = "V100"
PAPER_SIZE = 224


def forward_seconds(forward: Callable[[Tensor], Tensor], images: Tensor, repeats: int, warm_up: int) -> list[float]:
    """Wall seconds of each of `repeats` forward passes of `images` (B, 3, H, W), after `warm_up` passes."""
    seconds = []
    for _ in range(warm_up + repeats):
        start = time.perf_counter()
        forward(images).flatten()[0].item()  # reading a value waits for a device of any kind
        seconds.append(time.perf_counter() - start)
    return seconds[warm_up:]


def evaluate(context: EvaluationContext[Settings]) -> Scores:
    """Images per second, the median over the passes; the parameters in millions. Reads no data.

    Of several processes the first one measures while the others wait: side by side they would slow each other down.
    """
    return from_first(lambda: _measured(context), "the measured seconds")


def _measured(context: EvaluationContext[Settings]) -> Scores:
    settings = context.settings
    size = settings.image_size or context.model.preprocessing.size
    images = torch.randn(settings.batch_size, 3, size, size, device=context.device)
    network = context.network()
    with context.clock.phase("forward"):
        forward = network.passes(network.backbone.class_token)
        seconds = forward_seconds(forward, images, settings.repeats, settings.warm_up)
    metrics = {
        "images_per_second": settings.batch_size / statistics.median(seconds),
        "parameters_m": context.model.parameters / 1e6,
    }
    device = device_name(context.device)
    reasons = [] if PAPER_DEVICE in device else [f"images per second were measured on {device}, the paper's on a V100"]
    if size != PAPER_SIZE:
        reasons.append(f"images of {size} px where the paper's have {PAPER_SIZE}")
    return Scores(metrics, details={"seconds": seconds}, not_comparable=reasons)
