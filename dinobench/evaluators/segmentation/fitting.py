"""Heads fitted to training patches, the best C, k and distance chosen on training images that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext, Scores
from dinobench.evaluators.common.patch_maps import PatchEncoder
from dinobench.evaluators.segmentation.frames import MaskReader, read_frame
from dinobench.evaluators.segmentation.heads import NearestHead, PatchHead, fit_logistic_head
from dinobench.evaluators.segmentation.memory import memory_patches
from dinobench.evaluators.segmentation.patches import PatchRows, image_patches, join_rows
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.metrics.class_areas import VOID, class_areas, segmentation_means
from dinobench.runtime.errors import InputError

_PATCHES = 8192  # scored at once


def fit_patch_head(
    context: EvaluationContext[Settings], encoder: PatchEncoder, images: ImageSet, read: MaskReader, scores: Scores
) -> PatchHead:
    """The head that the settings ask for, fitted to all training images by the settings that held-out ones prefer.

    What was chosen goes into the details; a fit that stopped early into the warnings.
    """
    settings = context.settings
    with context.clock.phase("patches"):
        if settings.head == "nearest":
            patches = memory_patches(context, encoder, images, read)
        else:
            patches = image_patches(
                context, encoder, len(images), lambda index: read_frame(images, index, read, settings)
            )
    scores.details["training_patches"] = sum(len(rows.features) for rows in patches)
    grid = _grid(settings)
    with context.clock.phase("fit"):
        chosen = grid[0] if len(grid) == 1 else _choose(context, patches, grid, len(images.classes), scores)
        scores.details["chosen"] = chosen
        return _fit(context, join_rows(patches), chosen, len(images.classes), scores.warnings)


Choice = dict[str, float | int | str]


def _grid(settings: Settings) -> list[Choice]:
    if settings.head == "logistic":
        return [{"C": c} for c in settings.cs]
    return [{"distance": distance, "k": k} for distance, k in product(settings.distances, settings.ks)]


def _fit(
    context: EvaluationContext[Settings], rows: PatchRows, choice: Choice, classes: int, warnings: list[str]
) -> PatchHead:
    settings, device = context.settings, context.device
    if settings.head == "nearest":
        k, distance = int(choice["k"]), str(choice["distance"])
        if k > len(rows.features):
            warnings.append(f"k = {k} of a memory of {len(rows.features)} patches: all of them vote")
        return NearestHead(rows, classes, k, distance, settings, device)
    head, line = fit_logistic_head(rows, classes, float(choice["C"]), settings, device)
    warnings += [line] if line else []
    return head


def _choose(
    context: EvaluationContext[Settings],
    patches: Sequence[PatchRows],
    grid: Sequence[Choice],
    classes: int,
    scores: Scores,
) -> Choice:
    """The choice with the best mIoU over the pixels of held-out images, when fitted to the others."""
    if len(patches) < 2:
        raise InputError(
            "one training image cannot be held out to choose by; give more, or a single value of each list"
        )
    order = np.random.default_rng(context.seed).permutation(len(patches))
    held = max(1, int(len(patches) * context.settings.held_out / 100))
    asked, kept = join_rows([patches[i] for i in order[:held]]), join_rows([patches[i] for i in order[held:]])
    found = [
        _held_out_miou(_fit(context, kept, choice, classes, []), asked, classes, context.device) for choice in grid
    ]
    scores.details["held_out"] = [{**choice, "miou": 100 * miou} for choice, miou in zip(grid, found, strict=True)]
    return grid[int(np.argmax(found))]


def _held_out_miou(head: PatchHead, rows: PatchRows, classes: int, device: torch.device) -> float:
    """Share of 1; every pixel of a patch gets the patch's class where the head knows no pixels."""
    areas = np.zeros((3, classes), dtype=np.int64)
    for patches, labels in zip(torch.split(rows.features, _PATCHES), torch.split(rows.labels, _PATCHES), strict=True):
        predicted = predicted_classes(head(patches.to(device))).cpu()
        predicted = predicted[:, None].expand(labels.shape) if predicted.ndim == 1 else predicted
        areas += class_areas(labels.numpy(), predicted.numpy(), classes)
    return float(segmentation_means(areas).miou)


def predicted_classes(scores: Tensor) -> Tensor:
    """uint8 classes of scores whose second axis is that of the classes; void where every class has -inf."""
    best = scores.max(1)
    return torch.where(torch.isfinite(best.values), best.indices, VOID).to(torch.uint8)
