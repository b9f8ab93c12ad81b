"""What retrieval by class costs."""

from __future__ import annotations

from dinobench.evaluators.class_retrieval.settings import Settings
from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image of the split once through the network, then a product with every other."""
    images = data.count(settings.split)
    width = network.dim * len(settings.features)
    stage = square_stage(images, network.side, batch, width=width)
    return Cost((stage,), 2.0 * images**2 * width, held=stage.stored)
