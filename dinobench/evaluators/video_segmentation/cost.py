"""What the propagation of masks costs."""

from __future__ import annotations

import math

from dinobench.evaluators.common.costs import Cost, DataFacts, Loading, NetworkShape, Stage, Work
from dinobench.evaluators.video_segmentation.settings import Settings
from dinobench.evaluators.video_segmentation.sizes import input_size

MEASURED = ("variant", "n_last_frames", "radius", "topk", "temperature", "image_size", "pictures")


def cost(settings: Settings, network: NetworkShape, data: DataFacts, batch: int) -> Cost:
    """Each frame by itself through the network; its labels from those before, its scores and its pictures."""
    height, width = input_size(settings.variant, (data.height, data.width), settings.image_size, network.patch)
    options = {name: getattr(settings, name) for name in MEASURED}
    options["truth"] = [data.height, data.width]
    sweep = (settings.sweep_topk, settings.sweep_radius, settings.sweep_n_last_frames, settings.sweep_temperature)
    combinations = math.prod(len(values) or 1 for values in sweep) * (len(settings.sweep_feature) or 1)
    work = Work("video_segmentation", height, width, 1, {**options, "combinations": combinations})
    return Cost((Stage(data.count("val"), work, Loading("resize", height, width)),))
