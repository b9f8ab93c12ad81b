"""What scoring a trained head on another test set costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.head_transfer.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image once through the network, whose features are kept."""
    images = data.count(settings.split)
    return Cost((square_stage(images, network.side, batch, width=network.dim),))
