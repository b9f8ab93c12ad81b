"""The work on one image, done on a drawn one, so that it can be timed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.costs import Work
from dinobench.evaluators.object_discovery.evaluate import ObjectFinder
from dinobench.evaluators.object_discovery.settings import Settings


def measured_work(context: EvaluationContext[Settings], work: Work) -> Callable[[int], None]:
    """A function that looks for the object of so many images."""
    find = ObjectFinder(context)
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    image = smooth.resize((work.width, work.height), Image.Resampling.BICUBIC)

    def run(images: int) -> None:
        for _ in range(images):
            find(image, "a drawn image")

    return run
