"""RandAugment in timm's "increasing" variant, which DeiT's recipes name `rand-m9-mstd0.5-inc1`.

Colours go through the same Pillow functions as timm's; shears and translations through `row_shift`. One difference:
where timm asks Pillow for zero bits of posterisation, which Pillow refuses, one bit stays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageEnhance, ImageOps

from dinobench.evaluators.finetuning import row_shift
from dinobench.evaluators.finetuning.row_shift import Colour
from dinobench.runtime.errors import InputError

Operation = Callable[[Image.Image, float, random.Random, Colour], Image.Image]
_SPEC = re.compile(r"rand-m(?P<m>\d+(\.\d+)?)(-mstd(?P<mstd>\d+(\.\d+)?))?(-n(?P<n>\d+))?(-p(?P<p>[01](\.\d+)?))?-inc1")


@dataclass(frozen=True)
class RandAugment:
    """Each of `layers` operations, drawn with replacement, is applied with probability `probability`.

    Attributes:
        magnitude: mean strength, 0..10.
        deviation: standard deviation of the strength, which is then clamped to 0..10.
        fill: colour that comes in from outside the image.
    """

    magnitude: float
    deviation: float
    fill: Colour
    layers: int = 2
    probability: float = 0.5

    def __call__(self, image: Image.Image, rng: random.Random) -> Image.Image:
        """An RGB image of the same size."""
        for operation in rng.choices(OPERATIONS, k=self.layers):
            if rng.random() <= self.probability:
                level = rng.gauss(self.magnitude, self.deviation) if self.deviation else self.magnitude
                image = operation(image, min(max(level, 0.0), 10.0) / 10, rng, self.fill)
        return image


def parse_rand_augment(spec: str, fill: Colour) -> RandAugment | None:
    """The RandAugment behind timm's notation, e.g. "rand-m9-mstd0.5-inc1"; None for "".

    Raises:
        InputError: another notation.
    """
    if not spec:
        return None
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise InputError(
            f"auto_augment={spec!r} is not understood; write rand-mM[-mstdS][-nN][-pP]-inc1, or '' for none"
        )
    return RandAugment(
        float(match["m"]), float(match["mstd"] or 0), fill, int(match["n"] or 2), float(match["p"] or 0.5)
    )


def _signed(strength: float, rng: random.Random) -> float:
    return -strength if rng.random() > 0.5 else strength


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    """Blend towards or away from `kind`'s degenerate image by up to 0.9."""

    def operation(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
        return kind(image).enhance(max(0.1, 1.0 + _signed(0.9 * level, rng)))

    return operation


def _shift(move: Callable[[Image.Image, float, Colour], Image.Image], most: float) -> Operation:
    """Shear or translate by up to `most`, either way."""

    def operation(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
        return move(image, _signed(most * level, rng), fill)

    return operation


def _auto_contrast(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
    return ImageOps.autocontrast(image)


def _equalize(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
    return ImageOps.equalize(image)


def _invert(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
    return ImageOps.invert(image)


def _rotate(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
    return image.rotate(_signed(30 * level, rng), resample=Image.Resampling.BICUBIC, fillcolor=fill)


def _posterize(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
    return ImageOps.posterize(image, max(1, 4 - int(4 * level)))


def _solarize(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
    return ImageOps.solarize(image, 256 - min(256, int(256 * level)))


def _solarize_add(image: Image.Image, level: float, rng: random.Random, fill: Colour) -> Image.Image:
    added = min(128, int(110 * level))
    return image.point([value + added if value < 128 else value for value in range(256)] * 3)


OPERATIONS: tuple[Operation, ...] = (
    _auto_contrast,
    _equalize,
    _invert,
    _rotate,
    _posterize,
    _solarize,
    _solarize_add,
    _enhance(ImageEnhance.Color),
    _enhance(ImageEnhance.Contrast),
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Sharpness),
    _shift(row_shift.shear_x, 0.3),
    _shift(row_shift.shear_y, 0.3),
    _shift(row_shift.translate_x, 0.45),
    _shift(row_shift.translate_y, 0.45),
)
