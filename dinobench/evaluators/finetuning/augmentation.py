"""What happens to a training image before it joins a batch; random only through the generator given."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

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
        box = crop_box(image.size, self.scale, self.ratio, rng)
        crop = image.crop(box)
        if rng.random() < self.flip:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        resized = resize(np.asarray(crop), self.size)
        if self.rand_augment is None:
            return resized
        return np.asarray(self.rand_augment(Image.fromarray(resized), rng))


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


def resize(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Antialiased bicubic resize of (H, W, 3) to (size, size, 3): Pillow's arithmetic, by torch's faster kernel."""
    image = torch.from_numpy(pixels.copy())[None].permute(0, 3, 1, 2)  # channels last, which the kernel keeps
    resized = F.interpolate(image, (size, size), mode="bicubic", antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())
