"""What happens to a training image before it joins a batch; random only through the generator given."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data import pixels
from dinobench.evaluators.finetuning.randaugment import RandAugment

_ATTEMPTS = 10
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class TrainAugmentation:
    """Random resized crop, flip and RandAugment.

    Attributes:
        size: side of the square result in pixels.
        scale: share of the image's area that a crop takes, smallest and largest; (1, 1) keeps the whole image's
            centre square.
        flip: probability of a horizontal flip.
        rand_augment: or None.
        ratio: aspect of a crop, smallest and largest.
    """

    size: int
    scale: tuple[float, float]
    flip: float
    rand_augment: RandAugment | None
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __call__(self, image: Image.Image, rng: random.Random) -> NDArray[np.uint8]:
        """(size, size, 3) uint8 of an RGB image."""
        crop = np.asarray(image.crop(crop_box(image.size, self.scale, self.ratio, rng)))
        result = pixels.crop_and_resize(crop, (0, 0, *crop.shape[:2]), self.size)
        if rng.random() < self.flip:
            result = pixels.flip(result)
        return result if self.rand_augment is None else self.rand_augment(result, rng)


def crop_box(size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float], rng: random.Random) -> Box:
    """(left, top, right, bottom) of a random crop; the largest centred one within `ratio` if none fits in ten tries.

    Args:
        size: (width, height) of the image.
        scale: see `TrainAugmentation`.
        ratio: see `TrainAugmentation`.
        rng: to draw from.
    """
    width, height = size
    for _ in range(_ATTEMPTS):
        area = width * height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < across <= width and 0 < down <= height:
            left, top = rng.randint(0, width - across), rng.randint(0, height - down)
            return left, top, left + across, top + down
    across = min(width, round(height * ratio[1]))
    down = min(height, round(width / ratio[0]))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down
