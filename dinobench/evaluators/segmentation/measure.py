"""The work on images, done on drawn ones, so that it can be timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dinobench.data.masks import write_labels
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.costs import Work
from dinobench.evaluators.common.patch_maps import LinearMapHead, PatchEncoder
from dinobench.evaluators.segmentation.fitting import predicted_classes
from dinobench.evaluators.segmentation.frames import Frame
from dinobench.evaluators.segmentation.pixels import enlarged, frame_scores
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.evaluators.segmentation.trained import padded_crops, pixel_loss
from dinobench.metrics.class_areas import class_areas


def measured_work(context: EvaluationContext[Settings], work: Work) -> Callable[[int], None]:
    """A function that trains on so many crops, or gives the pixels of so many images their classes."""
    encoder = PatchEncoder(context, context.settings.layer)
    classes = int(work.options["classes"])
    head = LinearMapHead(context.model.backbone.dim, classes, context.settings.dropout).to(context.device)
    return (_training if work.options["part"] == "training" else _scoring)(context, encoder, head, work)


def _training(
    context: EvaluationContext[Settings], encoder: PatchEncoder, head: LinearMapHead, work: Work
) -> Callable[[int], None]:
    frame = _drawn_frame(context, (work.height, work.width), (work.height, work.width))
    optimizer = torch.optim.AdamW(head.train().parameters())

    def run(images: int) -> None:
        inputs, labels = padded_crops(encoder, [frame] * images, work.height)
        scores = F.interpolate(head(encoder.maps(inputs).clone()), labels.shape[1:], mode="bilinear")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(pixel_loss(scores, labels))
        optimizer.step()

    return run


def _scoring(
    context: EvaluationContext[Settings], encoder: PatchEncoder, head: LinearMapHead, work: Work
) -> Callable[[int], None]:
    high, wide = work.options["truth"]
    shown = (work.height, work.width)
    frame = _drawn_frame(context, shown, shown if context.settings.square else (high, wide))
    head.eval()

    def on_maps(maps: Iterable[Tensor]) -> Iterator[Tensor]:
        with torch.no_grad():
            return iter([head(each[None])[0] for each in maps])

    (stored,) = encoder.maps(encoder.images([frame.pixels]))

    def scored() -> Tensor:
        if work.options["part"] == "scoring":
            return frame_scores(encoder, on_maps, frame, context.settings)
        (scores,) = on_maps([stored])
        return enlarged(scores, shown, encoder.patch, frame.truth, context.settings)

    def run(images: int) -> None:
        for _ in range(images):
            scores = scored()
            labels = predicted_classes(scores[None])[0].cpu().numpy()
            for _ in range(2):  # of the head, and of the floor
                class_areas(frame.truth, labels, int(work.options["classes"]))
            with TemporaryDirectory() as folder:
                write_labels(Path(folder) / "classes.png", labels)

    return run


def _drawn_frame(context: EvaluationContext[Settings], shown: tuple[int, int], truth: tuple[int, int]) -> Frame:
    pixels = np.random.default_rng(0).integers(0, 256, (*shown, 3), dtype=np.uint8)
    return Frame(pixels, np.zeros(shown, np.uint8), np.zeros(truth, np.uint8))
