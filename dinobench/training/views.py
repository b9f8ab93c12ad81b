"""Multi-crop views of an image, drawn from a generator that only (seed, epoch, image) decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dinobench.data import pixels
from dinobench.data.pixels import Image

_TRIES = 10
_ASPECT = math.log(4 / 3)


@dataclass(frozen=True)
class Colors:
    """Chances and strengths of the operations that every view has (Caron et al. 2021, section 3.2, after BYOL)."""

    flip_probability: float
    jitter_probability: float
    brightness: float
    contrast: float
    saturation: float
    hue: float
    grayscale_probability: float
    blur_radius: tuple[float, float]


@dataclass(frozen=True)
class ViewKind:
    """One kind of view.

    Attributes:
        size: side in pixels.
        scale: range of the crop's area as a share of the image's.
        blur_probability, solarize_probability: of this kind.
    """

    size: int
    scale: tuple[float, float]
    blur_probability: float
    solarize_probability: float = 0.0


@dataclass(frozen=True)
class MultiCrop:
    """Draws all views of one image.

    Attributes:
        kinds: one per view, the two global ones first; views of one size stand together.
        colors: what all have in common.
    """

    kinds: tuple[ViewKind, ...]
    colors: Colors

    def __call__(self, image: Image, generator: np.random.Generator) -> list[Image]:
        """Views of an (H, W, 3) uint8 image, each (size, size, 3) uint8."""
        return [self._make_view(image, kind, generator) for kind in self.kinds]

    def _make_view(self, image: Image, kind: ViewKind, generator: np.random.Generator) -> Image:
        chances = generator.random(7).tolist()
        box = random_box(image.shape[0], image.shape[1], kind.scale, generator)
        view = pixels.crop_and_resize(image, box, kind.size)
        colors = self.colors
        if chances[0] < colors.flip_probability:
            view = pixels.flip(view)
        if chances[1] < colors.jitter_probability:
            view = _jitter_colors(view, colors, generator)
        if chances[2] < colors.grayscale_probability:
            view = pixels.grayscale(view)
        if chances[3] < kind.blur_probability:
            low, high = colors.blur_radius
            view = pixels.blur(view, low + (high - low) * chances[4])
        if chances[5] < kind.solarize_probability:
            view = pixels.solarize(view)
        return view


def generator_of(seed: int, epoch: int, image: int) -> np.random.Generator:
    """The same stream for the same three numbers, whichever process asks and whatever was drawn before."""
    return np.random.Generator(np.random.Philox(key=[seed, (epoch << 40) + image]))


def random_box(
    height: int, width: int, scale: Sequence[float], generator: np.random.Generator
) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a random crop: area share in `scale`, aspect 3/4 to 4/3 evenly in the logarithm.

    After ten draws that do not fit, the largest central crop of an aspect within those bounds.
    """
    for _ in range(_TRIES):
        share, aspect, down, right = generator.random(4).tolist()
        area = height * width * (scale[0] + (scale[1] - scale[0]) * share)
        ratio = math.exp(_ASPECT * (2 * aspect - 1))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            return int(down * (height - high + 1)), int(right * (width - wide + 1)), high, wide
    high, wide = min(height, round(width * 4 / 3)), min(width, round(height * 4 / 3))
    return (height - high) // 2, (width - wide) // 2, high, wide


def _jitter_colors(view: Image, colors: Colors, generator: np.random.Generator) -> Image:
    """Brightness, contrast, saturation and hue by random factors, in random order."""
    draws = (2 * generator.random(4) - 1).tolist()
    for operation in generator.permutation(4).tolist():
        if operation == 0:
            view = pixels.brightness(view, 1 + colors.brightness * draws[0])
        elif operation == 1:
            view = pixels.contrast(view, 1 + colors.contrast * draws[1])
        elif operation == 2:
            view = pixels.saturation(view, 1 + colors.saturation * draws[2])
        elif colors.hue:
            view = pixels.hue(view, colors.hue * draws[3])
    return view
