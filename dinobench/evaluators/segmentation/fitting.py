"""Heads fitted to training patches, the best C, k and distance chosen on training images that are held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.segmentation.frames import MaskReader
from dinobench.evaluators.segmentation.heads import NearestHead, PatchHead, StandardRows, fit_logistic_head
from dinobench.evaluators.segmentation.memory import memory_of, training_patches
from dinobench.evaluators.segmentation.patches import Indices, Patches, PatchRows, join_rows, spans
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.metrics.class_areas import VOID, class_areas, segmentation_means
from dinobench.runtime.errors import InputError

_PATCHES = 8192  # scored at once


def fit_patch_head(
    context: EvaluationContext[Settings], images: ImageSet, read: MaskReader, scores: Scores
) -> PatchHead:
    """The head that the settings ask for, fitted to all training images by the settings that held-out ones prefer.

    What was chosen goes into the details; a fit that stopped early into the warnings.
    """
    patches = training_patches(context, images, read)
    of_image = memory_of(context, patches, images)
    scores.details["training_patches"] = sum(map(len, of_image))
    grid = _grid(context.settings)
    with context.clock.phase("fit"):
        chosen = grid[0] if len(grid) == 1 else _choose(context, patches, of_image, grid, len(images.classes), scores)
        scores.details["chosen"] = chosen
        rows = join_rows(patches, of_image)
        return _head_of(context, rows, len(images.classes), scores.warnings)(chosen)


Choice = dict[str, float | int | str]


def _grid(settings: Settings) -> list[Choice]:
    if settings.head == "logistic":
        return [{"C": c} for c in settings.cs]
    return [{"distance": distance, "k": k} for distance, k in product(settings.distances, settings.ks)]


def _head_of(
    context: EvaluationContext[Settings], rows: PatchRows, classes: int, warnings: list[str]
) -> Callable[[Choice], PatchHead]:
    """From a choice to the head that is fitted to the rows; what choices share is read once."""
    settings, device = context.settings, context.device

    def nearest(choice: Choice) -> PatchHead:
        k, distance = int(choice["k"]), str(choice["distance"])
        if k > len(rows):
            warnings.append(f"k = {k} of a memory of {len(rows)} patches: all of them vote")
        return NearestHead(rows, classes, k, distance, settings, device)

    if settings.head == "nearest":
        return nearest
    standard = StandardRows(rows, settings, device)

    def logistic(choice: Choice) -> PatchHead:
        head, line = fit_logistic_head(standard, classes, float(choice["C"]), settings)
        warnings.extend([line] if line else [])
        return head

    return logistic


def _choose(
    context: EvaluationContext[Settings],
    patches: Patches,
    of_image: Sequence[Indices],
    grid: Sequence[Choice],
    classes: int,
    scores: Scores,
) -> Choice:
    """The choice with the best mIoU over the pixels of held-out images, when fitted to the others."""
    if len(of_image) < 2:
        raise InputError(
            "one training image cannot be held out to choose by; give more, or a single value of each list"
        )
    order = np.random.default_rng(context.seed).permutation(len(of_image))
    held = max(1, int(len(of_image) * context.settings.held_out / 100))
    asked, kept = (join_rows(patches, [of_image[i] for i in part]) for part in (order[:held], order[held:]))
    head_of = _head_of(context, kept, classes, [])
    found = [_held_out_miou(head_of(choice), asked, classes, context.device) for choice in grid]
    scores.details["held_out"] = [{**choice, "miou": 100 * miou} for choice, miou in zip(grid, found, strict=True)]
    return grid[int(np.argmax(found))]


def _held_out_miou(head: PatchHead, rows: PatchRows, classes: int, device: torch.device) -> float:
    """Share of 1; every pixel of a patch gets the patch's class where the head knows no pixels."""
    areas = np.zeros((3, classes), dtype=np.int64)
    parts = spans(len(rows), _PATCHES)
    asked = (rows.features(part.start, part.stop).to(device) for part in parts)
    for part, scores in zip(parts, head(asked), strict=True):
        labels, predicted = rows.labels(part), predicted_classes(scores).cpu()
        predicted = predicted[:, None].expand(labels.shape) if predicted.ndim == 1 else predicted
        areas += class_areas(labels.numpy(), predicted.numpy(), classes)
    return float(segmentation_means(areas).miou)


def predicted_classes(scores: Tensor) -> Tensor:
    """uint8 classes of scores whose second axis is that of the classes; void where every class has -inf."""
    best = scores.max(1)
    return torch.where(torch.isfinite(best.values), best.indices, VOID).to(torch.uint8)
