"""The work on one frame, done on drawn ones, so that it can be timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from dinobench.data.masks import write_labels
from dinobench.data.overlays import overlay, save_picture
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.costs import Work
from dinobench.evaluators.video_segmentation.evaluate import sweep_configs
from dinobench.evaluators.video_segmentation.memory import MemoryPropagator
from dinobench.evaluators.video_segmentation.propagation import LabelPropagator
from dinobench.evaluators.video_segmentation.settings import Settings
from dinobench.evaluators.video_segmentation.tracking import PatchNetwork
from dinobench.evaluators.video_segmentation.variants import variant_called
from dinobench.metrics.segmentation import score_video

_BEFORE = 33  # frames before the one in the middle of a usual sequence of DAVIS


def measured_work(context: EvaluationContext[Settings], work: Work) -> Callable[[int], None]:
    """A function that follows, scores and draws so many frames, with as many before them as the settings look at."""
    size = (work.height, work.width)
    rows, columns = work.options["truth"]
    stored = (rows, columns)
    configs = sweep_configs(context.settings)
    network = PatchNetwork(context, max(config.layer for config in configs))
    generator = torch.Generator().manual_seed(0)
    frame = torch.randn(3, *size, generator=generator)
    truth = np.zeros(stored, np.uint8)
    truth[stored[0] // 4 : stored[0] // 2, stored[1] // 4 : stored[1] // 2] = 1
    first = network(frame)
    grid = (first[0].shape[0], first[0].shape[1])
    variant = variant_called(context.settings.variant, stored, size, grid, network.backbone.patch_size)
    labels = variant.reduce(truth).to(network.device)
    propagators = [variant.begin(first[config.layer - 1], labels, config.propagation) for config in configs]
    for config, propagator in zip(configs, propagators, strict=True):
        if isinstance(propagator, LabelPropagator | MemoryPropagator):  # others are full from the first frame on
            for _ in range(_BEFORE):
                propagator.remember(first[config.layer - 1], labels)

    def run(frames: int) -> None:
        for _ in range(frames):
            layers = network(frame)
            for config, propagator in zip(configs, propagators, strict=True):
                mask = variant.enlarge(propagator.step(layers[config.layer - 1]))
                score_video(np.stack([truth] * 3), np.stack([truth, mask, truth]))
            _write_files(context.settings, mask)

    return run


def _write_files(settings: Settings, mask: np.ndarray) -> None:
    with TemporaryDirectory() as folder:
        write_labels(Path(folder) / "mask.png", mask)
        if settings.pictures:
            save_picture(Path(folder) / "overlay.jpg", overlay(np.zeros((*mask.shape, 3), np.uint8), mask))
