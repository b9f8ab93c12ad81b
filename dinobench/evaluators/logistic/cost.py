"""What logistic regression costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, fit_operations, square_stage
from dinobench.evaluators.logistic.settings import Settings
from dinobench.features.names import parse_feature

ITERATIONS = 120  # of L-BFGS, as fits to real features took; others take more or fewer, which no probe tells


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image once through the network, then a fit to the training rows of each draw."""
    train, val = data.count("train"), data.count("val")
    width = network.dim * len(parse_feature(settings.feature))
    rows = min(train, settings.shots * data.classes) if settings.shots else round(train * settings.percent / 100)
    iterations = min(ITERATIONS, settings.max_iterations)
    fits = settings.draws * (1 + len(settings.cs))
    fit = fit_operations(rows, width, data.classes, iterations) * fits
    stage = square_stage(train + val, network.side, batch, width=width)
    return Cost((stage,), fit, held=2 * stage.stored)
