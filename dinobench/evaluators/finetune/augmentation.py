"""What happens to a training image before it joins a batch; random only through the generator given."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data import pixels
from dinobench.data.crops import crop_box
from dinobench.evaluators.finetune.randaugment import RandAugment


@dataclass(frozen=True)
class TrainAugmentation:
    """Random resized crop, flip and RandAugment.

    Attributes:
        size: side of the square result in pixels.
        scale: share of the image's area that a crop takes, smallest and largest; (1, 1) keeps the whole image's
            center square.
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
