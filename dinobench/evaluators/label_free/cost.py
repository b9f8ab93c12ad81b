"""What measures of features without labels cost."""

from __future__ import annotations

from dinobench.evaluators.common.costs import FLOAT, Cost, DataFacts, NetworkShape, square_stage
from dinobench.evaluators.label_free.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """The drawn images once through the network, some of them again as views."""
    images = data.count("train")
    images = min(images, settings.samples) if settings.samples else images
    views = min(images, settings.view_images) * settings.views
    width = network.dim * len(settings.features)
    whole = square_stage(images, network.side, batch, width=width)
    cut = square_stage(views, network.side, batch, "random crop")
    return Cost((whole, cut), operations=4.0 * images * width**2, held=2 * (images + views) * width * FLOAT)
