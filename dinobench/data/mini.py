"""`mini`: images of sixteen invented object categories, drawn by code, the same for the same seed everywhere.

As in photographs, a category's shape, texture, palette and context go together, and categories share each of these
with others: no single cue suffices. Pose, scale, texture phase, light, color cast, clutter and occlusion are
nuisance. Train and val are drawn separately.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet, from_arrays
from dinobench.data.drawing import CONTEXTS, SHAPES, TEXTURES, Plane, smooth_noise
from dinobench.runtime.errors import InputError

SIZE = 32
COUNTS = {"train": 4000, "val": 1000}
VERSION = 1  # part of every image's name, so that a change of the drawing changes the manifest

Color = NDArray[np.float32]


@dataclass(frozen=True)
class Category:
    """What images of one class have in common.

    Attributes:
        name: class name.
        shape, texture, context: names in dinobench.data.drawing.
        palette: name in PALETTES.
    """

    name: str
    shape: str
    texture: str
    palette: str
    context: str


# Two (hue, saturation, value) triples each: the object's first and second color.
PALETTES = {
    "red": ((0.99, 0.80, 0.75), (0.05, 0.15, 0.90)),
    "orange": ((0.08, 0.80, 0.85), (0.03, 0.55, 0.35)),
    "green": ((0.33, 0.60, 0.55), (0.17, 0.60, 0.85)),
    "blue": ((0.60, 0.70, 0.70), (0.12, 0.20, 0.95)),
    "violet": ((0.80, 0.50, 0.65), (0.13, 0.75, 0.90)),
    "gray": ((0.60, 0.08, 0.35), (0.10, 0.10, 0.80)),
}
CONTEXT_COLORS = {
    "sky": ((0.58, 0.45, 0.55), (0.55, 0.15, 0.85)),
    "water": ((0.56, 0.50, 0.50), (0.53, 0.20, 0.85)),
    "sand": ((0.08, 0.45, 0.50), (0.11, 0.22, 0.85)),
    "foliage": ((0.30, 0.50, 0.30), (0.22, 0.45, 0.70)),
    "brick": ((0.05, 0.45, 0.50), (0.09, 0.18, 0.80)),
    "night": ((0.40, 0.45, 0.25), (0.20, 0.40, 0.75)),
}
CATEGORIES = (
    Category("ladybird", "disk", "spots", "red", "foliage"),
    Category("beach ball", "disk", "sectors", "blue", "sand"),
    Category("starfish", "star", "spots", "orange", "sand"),
    Category("firework", "star", "rings", "violet", "night"),
    Category("daisy", "flower", "rings", "orange", "foliage"),
    Category("windmill", "flower", "sectors", "red", "sky"),
    Category("sail", "triangle", "stripes", "red", "water"),
    Category("tent", "triangle", "checks", "green", "foliage"),
    Category("window", "box", "checks", "blue", "brick"),
    Category("crate", "box", "stripes", "orange", "brick"),
    Category("lifebuoy", "ring", "sectors", "orange", "water"),
    Category("tyre", "ring", "checks", "gray", "sand"),
    Category("clownfish", "fish", "stripes", "violet", "water"),
    Category("trout", "fish", "spots", "green", "water"),
    Category("moth", "butterfly", "rings", "gray", "night"),
    Category("butterfly", "butterfly", "stripes", "blue", "sky"),
)
CLASSES = tuple(category.name for category in CATEGORIES)


@dataclass(frozen=True)
class Pose:
    """Where an object lies: center `x`, `y` in -1..1, half-size `scale`, `angle` in radians, `aspect` of its axes."""

    x: float
    y: float
    scale: float
    angle: float
    aspect: float = 1.0


@dataclass(frozen=True, eq=False)
class Thing:
    """One object: its shape and texture, two colors, and the seed that fixes its texture's phase."""

    shape: str
    texture: str
    colors: tuple[Color, Color]
    seed: int


def draw(label: int, rng: np.random.Generator, size: int = SIZE) -> NDArray[np.uint8]:
    """One image of class `label`, (size, size, 3)."""
    return draw_with_masks([label], rng, size)[0]


def draw_with_masks(
    labels: Sequence[int], rng: np.random.Generator, size: int = SIZE
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image with an object of each of `labels`, later ones in front, in the first one's usual context.

    Returns:
        The image (size, size, 3) and its mask (size, size): i + 1 where object i is visible, 0 elsewhere.
    """
    canvas = draw_backdrop(usual_context(labels[0], rng), rng, size)
    mask = np.zeros((size, size), dtype=np.uint8)
    for _ in range(rng.integers(0, 4)):
        paint(canvas, any_thing(rng), random_pose(rng, 0.12, 0.3, reach=1.0))
    spread = 0.4 if len(labels) == 1 else 0.55
    for number, label in enumerate(labels, start=1):
        scale = (0.45, 1.0) if len(labels) == 1 else (0.3, 0.6)
        visible = paint(canvas, thing_of(label, rng), random_pose(rng, *scale, reach=spread))
        mask[visible > 0.5] = number
    if rng.random() < 0.35:
        visible = paint(canvas, any_thing(rng), random_pose(rng, 0.2, 0.4, reach=1.0))
        mask[visible > 0.5] = 0
    return finish(light(canvas, rng), rng), mask


def usual_context(label: int, rng: np.random.Generator) -> str:
    """The class's own context, or now and then any."""
    return CATEGORIES[label].context if rng.random() < 0.85 else str(rng.choice(list(CONTEXTS)))


def thing_of(label: int, rng: np.random.Generator) -> Thing:
    """An object of class `label` with its own shade of the class's palette."""
    category = CATEGORIES[label]
    return Thing(
        category.shape, category.texture, _two_shades(PALETTES[category.palette], rng), int(rng.integers(2**32))
    )


def any_thing(rng: np.random.Generator) -> Thing:
    """An object of no class: shape, texture and palette drawn apart."""
    shape, texture, palette = (str(rng.choice(list(known))) for known in (SHAPES, TEXTURES, PALETTES))
    return Thing(shape, texture, _two_shades(PALETTES[palette], rng), int(rng.integers(2**32)))


def random_pose(rng: np.random.Generator, smallest: float, largest: float, reach: float) -> Pose:
    """A pose with its center within `reach` of the middle."""
    x, y = rng.uniform(-reach, reach, 2)
    return Pose(x, y, rng.uniform(smallest, largest), rng.normal(0, 0.7), rng.uniform(0.75, 1.3))


def draw_backdrop(context: str, rng: np.random.Generator, size: int) -> Plane:
    """A background without objects, (size, size, 3) about 0..1."""
    first, second = _two_shades(CONTEXT_COLORS[context], rng)
    return first + CONTEXTS[context](size, rng)[..., None] * (second - first)


def paint(canvas: Plane, thing: Thing, pose: Pose) -> Plane:
    """Paint an object onto `canvas` (H, W, 3) in place; returns its coverage (H, W), 0..1.

    Positions count from the middle in half the longer side. Only the window that the object can reach is touched.
    """
    height, width = canvas.shape[:2]
    unit = max(height, width) / 2
    coverage = np.zeros((height, width), dtype=np.float32)
    window = _pixel_window(pose.y, pose.scale, height, unit), _pixel_window(pose.x, pose.scale, width, unit)
    dx, dy = np.meshgrid(_offsets_of(window[1], width, unit, pose.x), _offsets_of(window[0], height, unit, pose.y))
    cos, sin = np.float32(np.cos(pose.angle) / pose.scale), np.float32(np.sin(pose.angle) / pose.scale)
    u, v = (cos * dx + sin * dy) * np.float32(pose.aspect), cos * dy - sin * dx
    cover: Plane = np.clip(SHAPES[thing.shape](u, v) * np.float32(pose.scale * unit) + 0.5, 0, 1)
    share = TEXTURES[thing.texture](u, v, np.random.default_rng(thing.seed))
    shade = np.float32(1.08) - np.float32(0.3) * (u * u + v * v) - np.float32(0.18) * (dx + dy) / np.float32(pose.scale)
    first, second = thing.colors
    color = (first + share[..., None] * (second - first)) * shade[..., None]
    canvas[window] += cover[..., None] * (color - canvas[window])
    coverage[window] = cover
    return coverage


def _pixel_window(center: float, scale: float, length: int, unit: float) -> slice:
    """Pixels along one axis that an object of this half-size can cover, however it is turned and stretched."""
    middle, reach = length / 2 + center * unit, 1.45 * scale * unit + 1
    return slice(min(max(int(middle - reach), 0), length), min(max(int(middle + reach) + 1, 0), length))


def _offsets_of(window: slice, length: int, unit: float, center: float) -> NDArray[np.float32]:
    """Signed distances of the window's pixel centers from the object's center."""
    return ((np.arange(window.start, window.stop) + 0.5 - length / 2) / unit - center).astype(np.float32)


def light(canvas: Plane, rng: np.random.Generator) -> Plane:
    """The scene (H, W, 3) under random light: exposure, color cast, haze, and a shadow or glow across it."""
    gain = rng.uniform(0.65, 1.3) * rng.uniform(0.8, 1.2, 3)
    falloff = 0.45 + 1.1 * smooth_noise(max(canvas.shape), (1, 1), rng)[: len(canvas), : canvas.shape[1]]
    return canvas * falloff[..., None] * gain.astype(np.float32) + np.float32(rng.uniform(-0.08, 0.1))


def finish(canvas: Plane, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Sensor noise and eight bits."""
    noise = rng.standard_normal(canvas.shape, dtype=np.float32) * np.float32(rng.uniform(0.005, 0.04))
    pixels: NDArray[np.uint8] = np.rint(np.clip(canvas + noise, 0, 1) * 255).astype(np.uint8)
    return pixels


def _two_shades(palette: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> tuple[Color, Color]:
    """The palette's two colors, each moved a little."""
    hue = rng.normal(0, 0.05)
    first, second = (
        np.array(
            colorsys.hsv_to_rgb(
                (h + hue) % 1, np.clip(s * rng.uniform(0.7, 1.2), 0, 1), np.clip(v * rng.uniform(0.8, 1.2), 0, 1)
            ),
            dtype=np.float32,
        )
        for h, s, v in palette
    )
    return first, second


def open_mini(split: str, *, seed: int = 0, size: int = SIZE, count: int | None = None) -> ImageSet:
    """Split "train" (4,000 images) or "val" (1,000) of the embedded data, (N, size, size, 3) in memory.

    Raises:
        InputError: another split.
    """
    if split not in COUNTS:
        raise InputError(f"mini has no split '{split}'; choose train or val")
    pixels, labels = _draw_split(split, seed, size, count or COUNTS[split])
    names = [f"mini-v{VERSION}/seed{seed}-{size}px/{split}/{CLASSES[label]}/{i:05d}" for i, label in enumerate(labels)]
    return from_arrays(f"mini/{split}", pixels, labels, CLASSES, names)


@cache
def _draw_split(split: str, seed: int, size: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    rng = np.random.default_rng([VERSION, seed, list(COUNTS).index(split)])
    labels = np.arange(count, dtype=np.int64) % len(CATEGORIES)
    return np.stack([draw(int(label), rng, size) for label in labels]), labels
