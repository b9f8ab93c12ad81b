"""What masks of attention cost."""

from __future__ import annotations

from dinobench.evaluators.attention_segmentation.settings import Settings
from dinobench.evaluators.common.costs import Cost, DataFacts, Loading, NetworkShape, Stage, Work, scaled_to


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Each image by itself, at its own shape."""
    height, width = scaled_to(data, settings.image_size, network.patch)
    work = Work("forward", height, width, 1, {"tokens": "patches"})
    return Cost((Stage(data.count("val"), work, Loading("resize", height, width)),))
