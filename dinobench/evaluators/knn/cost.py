"""What k-NN classification costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import FLOAT, Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.knn.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image once through the network, then a product of every query with every training image."""
    train = data.count("train")
    asked = train if settings.leave_one_out else data.count("val")
    images = train if settings.leave_one_out else train + asked
    width = network.dim * len(settings.features)
    return Cost(
        (square_stage(images, network.side, batch, width=width),),
        operations=2.0 * train * asked * width * settings.draws,
        held=images * width * FLOAT,
    )
