"""What object discovery costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, Loading, NetworkShape, Stage, Work, scaled_to
from dinobench.evaluators.object_discovery.settings import Settings

MEASURED = ("method", "feature", "k", "threshold", "weak")


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Each image by itself, at its own shape: its patches, then its box."""
    height, width = scaled_to(data, settings.image_size, network.patch)
    work = Work("object_discovery", height, width, 1, {name: getattr(settings, name) for name in MEASURED})
    return Cost((Stage(data.count(settings.split), work, Loading("resize", height, width)),))
