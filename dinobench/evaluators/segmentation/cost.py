"""What segmentation by a head on frozen patches costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import (
    FLOAT,
    Cost,
    DataFacts,
    Loading,
    NetworkShape,
    Stage,
    Work,
    fit_operations,
    scaled_to,
)
from dinobench.evaluators.segmentation.settings import Settings

ITERATIONS = 300  # of L-BFGS, as fits to real patches took; others take more or fewer, which no probe tells
MEASURED = ("window", "stride", "enlarge", "square", "predictions")


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Training images for the head, then each tested image by itself, its scores enlarged to its pixels."""
    side = settings.image_size
    height, width = (side, side) if settings.square else scaled_to(data, side, 1)
    tested = _tested_stage(settings, data, height, width)
    if settings.head == "linear":
        crop = settings.window or side
        options = {"part": "training", "classes": data.classes or 2}
        work = Work("segmentation", crop, crop, settings.batch_size, options)
        images = settings.iterations * settings.batch_size
        return Cost((Stage(images, work, Loading("resize", height, width)), tested))
    images = data.count("train") * (settings.passes if settings.head == "nearest" else 1)
    patches = images * -(-height // network.patch) * -(-width // network.patch)
    training = Work("forward", height, width, min(batch, settings.forward_batch), {"tokens": "patches"})
    held = patches * (network.dim * FLOAT + network.patch**2)
    stages = (Stage(images, training, Loading("resize", height, width)), tested)
    return Cost(stages, _head_operations(settings, network, data, patches), held=2 * held)


def _tested_stage(settings: Settings, data: DataFacts, height: int, width: int) -> Stage:
    options = {name: getattr(settings, name) for name in MEASURED}
    shape = {"classes": data.classes or 2, "truth": [data.height, data.width]}
    work = Work("segmentation", height, width, 1, {**options, **shape, "part": "scoring"})
    return Stage(data.count(settings.split), work, Loading("resize", height, width))


def _head_operations(settings: Settings, network: NetworkShape, data: DataFacts, patches: int) -> float:
    """Of the fits, or of the searches, with those that choose by held-out images."""
    if settings.head == "logistic":
        fits = len(settings.cs) + (len(settings.cs) > 1)
        iterations = min(ITERATIONS, settings.max_iterations)
        return fits * fit_operations(patches, network.dim, data.classes or 2, iterations)
    searched = min(patches, settings.memory_size) if settings.memory_size else patches
    asked = patches // max(1, data.count("train")) * data.count(settings.split)
    return 2.0 * searched * asked * network.dim
