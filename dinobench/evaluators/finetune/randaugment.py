"""RandAugment in timm's "increasing" variant, which DeiT's recipes name `rand-m9-mstd0.5-inc1`.

Rotation is Pillow's; all else equals Pillow's functions but for a level where a blend rounds, several times faster.
One difference: where timm asks for zero bits of posterization, which Pillow refuses, one bit stays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from dinobench.data import pixels
from dinobench.data.pixels import Image
from dinobench.evaluators.finetune import row_shift
from dinobench.evaluators.finetune.row_shift import Color
from dinobench.runtime.errors import InputError

Operation = Callable[[Image, float, random.Random, Color], Image]
_SPEC = re.compile(r"rand-m(?P<m>\d+(\.\d+)?)(-mstd(?P<mstd>\d+(\.\d+)?))?(-n(?P<n>\d+))?(-p(?P<p>[01](\.\d+)?))?-inc1")


@dataclass(frozen=True)
class RandAugment:
    """Each of `layers` operations, drawn with replacement, is applied with probability `probability`.

    Attributes:
        magnitude: mean strength, 0..10.
        deviation: standard deviation of the strength, which is then clamped to 0..10.
        fill: color that comes in from outside the image.
    """

    magnitude: float
    deviation: float
    fill: Color
    layers: int = 2
    probability: float = 0.5

    def __call__(self, image: Image, rng: random.Random) -> Image:
        """(H, W, 3) uint8 RGB from another."""
        for operation in rng.choices(OPERATIONS, k=self.layers):
            if rng.random() <= self.probability:
                level = rng.gauss(self.magnitude, self.deviation) if self.deviation else self.magnitude
                image = operation(image, min(max(level, 0.0), 10.0) / 10, rng, self.fill)
        return image


def parse_rand_augment(spec: str, fill: Color) -> RandAugment | None:
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


def _random_sign(strength: float, rng: random.Random) -> float:
    return -strength if rng.random() > 0.5 else strength


def _blend_operation(operation: Callable[[Image, float], Image]) -> Operation:
    """Blend towards or away from an operation's degenerate image by up to 0.9."""

    def blend(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
        return operation(image, max(0.1, 1.0 + _random_sign(0.9 * level, rng)))

    return blend


def _shift_operation(move: Callable[[Image, float, Color], Image], most: float) -> Operation:
    """Shear or translate by up to `most`, either way."""

    def shift(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
        return move(image, _random_sign(most * level, rng), fill)

    return shift


def _auto_contrast(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
    return _per_channel(image, _stretch_table)


def _equalize_levels(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
    return _per_channel(image, _equalize_table)


def _invert_levels(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
    return ~image


def _rotate_image(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
    turn = _random_sign(30 * level, rng)
    return np.asarray(Pillow.fromarray(image).rotate(turn, resample=Pillow.Resampling.BICUBIC, fillcolor=fill))


def _posterize_levels(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
    bits = max(1, 4 - int(4 * level))
    return image & np.uint8(256 - 2 ** (8 - bits))


def _solarize_levels(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
    threshold = 256 - min(256, int(256 * level))
    return cv2.LUT(image, np.where(threshold > _LEVELS, _LEVELS, 255 - _LEVELS).astype(np.uint8))  # type: ignore[return-value]


def _solarize_add(image: Image, level: float, rng: random.Random, fill: Color) -> Image:
    added = min(128, int(110 * level))
    return cv2.LUT(image, np.where(_LEVELS < 128, _LEVELS + added, _LEVELS).astype(np.uint8))  # type: ignore[return-value]


def _sharpen_image(image: Image, factor: float) -> Image:
    """Blend with the smoothed image, whose outermost pixels Pillow leaves alone."""
    smooth = cv2.filter2D(image, -1, _SMOOTH)
    for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
        smooth[edge] = image[edge]
    return pixels.blend(smooth, image, factor)  # type: ignore[arg-type]


_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
_LEVELS = np.arange(256)


def _per_channel(image: Image, table_of: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Image:
    """Each channel through the table (256,) that its histogram gives."""
    tables = []
    for channel in range(3):
        counts = cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel().astype(np.int64)
        tables.append(table_of(counts).clip(0, 255).astype(np.uint8))
    return cv2.LUT(image, np.stack(tables, axis=-1)[None])  # type: ignore[return-value]


def _stretch_table(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """From the darkest to the lightest level onto 0..255."""
    present = np.flatnonzero(counts)
    low, high = int(present[0]), int(present[-1])
    if low == high:
        return _LEVELS
    scale = 255.0 / (high - low)
    return (_LEVELS * scale - low * scale).astype(np.int64)


def _equalize_table(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """So that levels are used about equally often."""
    step = int(counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
    if step == 0:
        return _LEVELS
    return (step // 2 + np.cumsum(counts) - counts) // step


OPERATIONS: tuple[Operation, ...] = (
    _auto_contrast,
    _equalize_levels,
    _invert_levels,
    _rotate_image,
    _posterize_levels,
    _solarize_levels,
    _solarize_add,
    _blend_operation(pixels.saturation),
    _blend_operation(pixels.contrast),
    _blend_operation(pixels.brightness),
    _blend_operation(_sharpen_image),
    _shift_operation(row_shift.shear_x, 0.3),
    _shift_operation(row_shift.shear_y, 0.3),
    _shift_operation(row_shift.translate_x, 0.45),
    _shift_operation(row_shift.translate_y, 0.45),
)
