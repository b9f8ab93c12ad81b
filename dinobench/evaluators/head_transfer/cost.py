"""What scoring a trained head on another test set costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, fit_operations, square_stage
from dinobench.evaluators.head_transfer.settings import Settings
from dinobench.evaluators.logistic.cost import ITERATIONS

IMAGENET, CLASSES = 1_281_167, 1000


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Every image once through the network, whose features are kept; ImageNet's where one learns from it."""
    tested, learned = data.count(settings.split), 0 if settings.classifier == "head" else IMAGENET
    stage = square_stage(tested + learned, network.side, batch, width=network.dim)
    fit = fit_operations(learned, network.dim, CLASSES, ITERATIONS) if settings.classifier == "logistic" else 0.0
    return Cost((stage,), fit or 2.0 * learned * tested * network.dim)
