"""What copy detection costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import FLOAT, Cost, DataFacts, Loading, NetworkShape, Stage, Work
from dinobench.evaluators.copy_detection.settings import Settings

_SMALL_PATCH, _SMALL_PATCH_SIDE = 8, 320


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Originals, copies, distractors and the images that whitening is learned from, once each."""
    images, originals = sum(data.images.values()), data.count("original", "distractors")
    side = settings.image_size or (_SMALL_PATCH_SIDE if network.patch == _SMALL_PATCH else network.side)
    width = network.dim * len(settings.feature.split("+"))
    size = images * width * FLOAT
    work = Work("forward", side, side, batch, {"tokens": "patches"})
    products = 2.0 * originals * (images - originals) * width + 2.0 * images * width**2
    return Cost((Stage(images, work, Loading("resize", side, side), size),), products, held=2 * size)
