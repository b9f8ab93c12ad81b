"""What scoring a trained head on corrupted images costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.corruption_errors.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image of every corruption and severity once through the network, whose features are kept."""
    images = data.count(*data.images)
    return Cost((square_stage(images, network.side, batch, width=network.dim),))
