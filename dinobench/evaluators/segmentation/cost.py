"""What segmentation by a head on frozen patches costs."""

from __future__ import annotations

import math

from dinobench.evaluators.common.costs import (
    FLOAT,
    Cost,
    DataFacts,
    Loading,
    NetworkShape,
    Stage,
    Work,
    fit_operations,
)
from dinobench.evaluators.segmentation.settings import Settings
from dinobench.evaluators.segmentation.sizes import shown_size

ITERATIONS = 300  # of L-BFGS, as fits to real patches took; others take more or fewer, which no probe tells
MEASURED = ("window", "stride", "enlarge", "square", "predictions")
NUMBER_BYTES = {"fp32": 4, "fp16": 2}


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Training images for the head, then the tested ones: maps of whole images and crops are kept, windows' are not."""
    train, tested = data.count("train"), data.count(settings.split)
    if settings.head == "linear":
        whole, crops, first = 0, 0, (_trained_stage(settings, data),)
    else:
        whole, crops = (0, train * settings.passes) if settings.crop_scale else (train, 0)
        first = (_map_stage(settings, network, data, batch, crops, "random crop"),)
    stored = whole if settings.window else whole + tested
    last = _map_stage(settings, network, data, batch, stored, "resize"), _tested_stage(settings, data, tested)
    patches = (whole + crops) * math.prod(_grid(settings, network, data))
    held = 2 * patches + min(settings.held_bytes, patches * network.dim * FLOAT)
    return Cost((*first, *last), _head_operations(settings, network, data, patches, tested), held=held)


def _size(settings: Settings, data: DataFacts) -> tuple[int, int]:
    """Height and width at which a usual image is shown."""
    width, height = shown_size((data.width, data.height), settings)
    return height, width


def _grid(settings: Settings, network: NetworkShape, data: DataFacts) -> tuple[int, int]:
    """Rows and columns of a usual image's map, what pads it included."""
    height, width = _size(settings, data)
    return -(-height // network.patch), -(-width // network.patch)


def _map_stage(settings: Settings, network: NetworkShape, data: DataFacts, batch: int, images: int, kind: str) -> Stage:
    """Images through the network, whose maps go into the store."""
    height, width = _size(settings, data)
    work = Work("forward", height, width, min(batch, settings.forward_batch), {"tokens": "patches"})
    row = math.prod(_grid(settings, network, data)) * network.dim * NUMBER_BYTES[settings.numbers]
    return Stage(images, work, Loading(kind, height, width), images * row)


def _trained_stage(settings: Settings, data: DataFacts) -> Stage:
    """Crops by which a linear head is trained."""
    crop, (height, width) = settings.window or settings.image_size, _size(settings, data)
    options = {"part": "training", "classes": data.classes or 2}
    work = Work("segmentation", crop, crop, settings.batch_size, options)
    return Stage(settings.iterations * settings.batch_size, work, Loading("resize", height, width))


def _tested_stage(settings: Settings, data: DataFacts, images: int) -> Stage:
    """Windows through the network, or maps from the store; scores enlarged to pixels."""
    height, width = _size(settings, data)
    options = {name: getattr(settings, name) for name in MEASURED}
    shape = {"classes": data.classes or 2, "truth": [data.height, data.width]}
    part = "scoring" if settings.window else "enlarging"
    work = Work("segmentation", height, width, 1, {**options, **shape, "part": part})
    loading = Loading("resize", height, width) if settings.window else None
    return Stage(images, work, loading, forward=bool(settings.window))


def _head_operations(settings: Settings, network: NetworkShape, data: DataFacts, patches: int, tested: int) -> float:
    """Of the fits, or of the searches, with those that choose by held-out images."""
    if settings.head == "logistic":
        fits = len(settings.cs) + (len(settings.cs) > 1)
        iterations = min(ITERATIONS, settings.max_iterations)
        return fits * fit_operations(patches, network.dim, data.classes or 2, iterations)
    searched = min(patches, settings.memory_size) if settings.memory_size else patches
    return 2.0 * searched * math.prod(_grid(settings, network, data)) * tested * network.dim
