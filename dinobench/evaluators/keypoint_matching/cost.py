"""What matching of keypoints costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.keypoint_matching.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Each image of the pairs as a square; the points of a pair are few, so that their search counts for nothing."""
    stage = square_stage(data.count(settings.split), settings.grid * network.patch, 1, "resize", tokens="patches")
    return Cost((stage,))
