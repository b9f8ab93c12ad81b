"""What recognition of instances costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.instance_recognition.settings import Settings
from dinobench.features.names import parse_feature


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image once through the network, then a product of every query with every training image."""
    train, asked = data.count("train"), data.count(settings.split)
    chosen = data.count("val") if len(settings.ks) * len(settings.sharpness) > 1 else 0
    width = network.dim * len(parse_feature(settings.feature))
    stage = square_stage(train + asked + chosen, network.side, batch, width=width)
    return Cost((stage,), 2.0 * train * (asked + chosen) * width, held=stage.stored)
