"""What depth by a linear head on frozen patches costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import Cost, DataFacts, Loading, NetworkShape, Stage, Work, scaled_to
from dinobench.evaluators.depth.settings import Settings


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Crops of training images for the head, then each tested image by itself, mirrored too where that is set."""
    height, width = scaled_to(data, settings.image_size, 1)
    loading, tokens = Loading("resize", height, width), {"tokens": "patches"}
    crops = Work("forward", settings.crop_height, settings.crop_width, settings.batch_size, tokens)
    views = 2 if settings.mirrored else 1
    tested = Work("forward", height, width, views, tokens)
    stages = (
        Stage(settings.iterations * settings.batch_size, crops, loading),
        Stage(views * data.count(settings.split), tested, loading),
    )
    pixels = (settings.crop_height // network.patch) * (settings.crop_width // network.patch)
    head = 6.0 * settings.iterations * settings.batch_size * pixels * network.dim * settings.bins
    return Cost(stages, operations=head)
