"""What matching of patches costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.homography_matching.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Each image and its warped view, one at a time."""
    images = data.count("train")
    images = min(images, settings.samples) if settings.samples else images
    tokens = (settings.image_size // network.patch) ** 2
    stage = square_stage(2 * images, settings.image_size, 1, tokens="patches")
    return Cost((stage,), operations=2.0 * images * tokens**2 * network.dim)
