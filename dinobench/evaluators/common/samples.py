"""A part of a large set, drawn by seed."""

from __future__ import annotations

import numpy as np

from dinobench.data.dataset import ImageSet


def draw_images(images: ImageSet, samples: int, seed: int) -> ImageSet:
    """`samples` of the images in their order, or all where `samples` is 0 or no fewer are there."""
    if not samples or len(images) <= samples:
        return images
    return images.subset(np.sort(np.random.default_rng(seed).choice(len(images), samples, replace=False)))
