"""Random parts of images."""

from __future__ import annotations

import math
import random

_ATTEMPTS = 10
Box = tuple[int, int, int, int]


def crop_box(size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float], rng: random.Random) -> Box:
    """(left, top, right, bottom) of a random crop; the largest centered one within `ratio` if none fits in ten tries.

    Args:
        size: (width, height) of the image.
        scale: share of the image's area that a crop takes, smallest and largest.
        ratio: its width over its height, smallest and largest.
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
