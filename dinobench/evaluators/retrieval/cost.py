"""What landmark retrieval costs."""

from __future__ import annotations

from dinobench.evaluators.common.costs import FLOAT, Cost, DataFacts, Loading, NetworkShape, Stage, Work
from dinobench.evaluators.retrieval.settings import Settings

_USUAL_AREA = 224 * 224  # pixels that one image of a batch may take


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Database and queries once at every scale, and a product of each query with the database."""
    database, queries = data.count("database"), data.count("query")
    longer = settings.image_size or network.side
    share = min(1.0, longer / max(data.height, data.width))
    seen = (max(1, round(data.height * share)), max(1, round(data.width * share)))
    tokens = "cls" if settings.feature == "cls" else "patches"
    size = (database + queries) * network.dim * len(settings.feature.split("+")) * FLOAT
    stages = []
    for number, scale in enumerate(settings.scales):
        height, width = (max(network.patch, round(side * scale)) for side in seen)
        at_once = max(1, min(batch, batch * _USUAL_AREA // (height * width)))
        work = Work("forward", height, width, at_once, {"tokens": tokens})
        loading = None if number else Loading("thumbnail", longer, longer)
        stages.append(Stage(database + queries, work, loading, 0 if number else size))
    return Cost(tuple(stages), 2.0 * queries * size / FLOAT, held=2 * size)
