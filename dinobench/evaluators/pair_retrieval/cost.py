"""What retrieval between two splits costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.pair_retrieval.settings import Settings
from dinobench.features.names import parse_feature


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image once through the network, then products of all images of one split with those of the other."""
    one, other = data.count(settings.one), data.count(settings.other)
    width = network.dim * len(parse_feature(settings.feature))
    stage = square_stage(one + other, network.side, batch, width=width)
    return Cost((stage,), 4.0 * one * other * width, held=stage.stored)
