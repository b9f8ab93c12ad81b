"""What matching between views costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.view_matching.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Two squares of each pair, and a product of the points of one with those of the other."""
    pairs = -(-data.count(settings.split) // settings.every)
    side = settings.grid * network.patch or settings.image_size
    points = (side // settings.step) ** 2
    stage = square_stage(2 * pairs, side, 1, "resize", tokens="patches")
    return Cost((stage,), 2.0 * pairs * points**2 * network.dim)
