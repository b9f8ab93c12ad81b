"""What a linear probe costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.linear.settings import Settings
from dinobench.features.names import parse_feature

TOKENS = 4  # class tokens or mean patches that the feature "auto" takes, at most


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Training images once where their features are kept, else once in each epoch; validation images once."""
    train, val = data.count("train"), data.count("val")
    columns = sum(TOKENS if name == "auto" else len(parse_feature(name)) for name in settings.features)
    width = network.dim * columns
    if settings.head:
        return Cost((square_stage(val, network.side, batch, width=width),), 2.0 * val * width * data.classes)
    heads = len(settings.lrs) * settings.epochs * width * data.classes
    seen = square_stage(val + train * settings.cached, network.side, batch, tokens="layers", width=width)
    crops = square_stage(train * settings.epochs, network.side, batch, "random crop", "layers")
    stages = (seen,) if settings.cached else (seen, crops)
    return Cost(stages, operations=heads * (6.0 * train + 2.0 * val), held=seen.stored)
