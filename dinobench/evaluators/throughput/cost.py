"""What measuring throughput costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, NetworkShape, Stage, Work
from dinobench.evaluators.throughput.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Drawn images, as often as they are timed."""
    side = settings.image_size or network.side
    work = Work("forward", side, side, settings.batch_size, {"tokens": "cls"})
    return Cost((Stage((settings.repeats + settings.warm_up) * settings.batch_size, work),))
