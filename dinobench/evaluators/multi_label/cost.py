"""What classification into several classes at once costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, fit_operations, square_stage
from dinobench.evaluators.multi_label.settings import Settings
from dinobench.features.names import parse_feature

ITERATIONS = 120  # of L-BFGS for one class


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image once through the network, then a search or a regression for each class."""
    train, val = data.count("train"), data.count("val")
    width = network.dim * len(parse_feature(settings.feature))
    iterations = min(ITERATIONS, settings.max_iterations)
    search, fit = 2.0 * train * val * width, fit_operations(train, width, data.classes, iterations)
    stage = square_stage(train + val, network.side, batch, width=width)
    return Cost((stage,), fit if settings.classifier == "logistic" else search, held=stage.stored)
