"""Shapes, textures and contexts: what the embedded images are drawn from.

Shapes and textures are functions of object coordinates: `u` to the right, `v` down, the object within about [-1, 1].
A shape returns its signed distance-like value (positive inside); a texture returns the share of the second
color, 0..1. A context returns the background's share of its second color, 0..1, over the whole frame.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.floating[Any]]
Shape = Callable[[Plane, Plane], Plane]
Texture = Callable[[Plane, Plane, np.random.Generator], Plane]
Context = Callable[[int, np.random.Generator], Plane]


@cache
def grid(size: int) -> tuple[Plane, Plane]:
    """(x, y) of every pixel center of a square frame, each (size, size) in (-1, 1)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    x, y = np.meshgrid(axis, axis)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def smooth_noise(size: int, cells: tuple[int, int], rng: np.random.Generator) -> Plane:
    """(size, size) of values about 0..1 that change over `cells` (down, across) bumps."""
    coarse = Image.fromarray(rng.random((cells[0] + 1, cells[1] + 1), dtype=np.float32))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def _to_polar(u: Plane, v: Plane) -> tuple[Plane, Plane]:
    return np.hypot(u, v), np.arctan2(v, u)


def disk(u: Plane, v: Plane) -> Plane:
    """A round thing."""
    return 0.82 - np.hypot(u, v)


def star(u: Plane, v: Plane) -> Plane:
    """Five pointed arms."""
    radius, angle = _to_polar(u, v)
    return 0.58 + 0.36 * _triangle_wave(5 * angle) - radius


def flower(u: Plane, v: Plane) -> Plane:
    """Seven round petals."""
    radius, angle = _to_polar(u, v)
    petals: Plane = np.sqrt(np.abs(np.cos(3.5 * angle)))
    return 0.52 + 0.4 * petals - radius


def triangle(u: Plane, v: Plane) -> Plane:
    """An upright triangle with a broad base."""
    return _inside_both(0.62 - v, 0.42 + 0.5 * v - 0.87 * np.abs(u))


def box(u: Plane, v: Plane) -> Plane:
    """A square."""
    return 0.7 - _inside_either(np.abs(u), np.abs(v))


def ring(u: Plane, v: Plane) -> Plane:
    """A thick ring; what lies behind shows through."""
    return 0.26 - np.abs(np.hypot(u, v) - 0.62)


def fish(u: Plane, v: Plane) -> Plane:
    """An oval body with a tail fin."""
    body = 0.48 - np.hypot(0.72 * (u - 0.2), v)
    tail = _inside_both(0.62 * (-0.2 - u) - np.abs(v) + 0.12, u + 0.95)
    return _inside_either(body, tail)


def butterfly(u: Plane, v: Plane) -> Plane:
    """Four wings, the lower pair smaller, and a narrow body."""
    side = np.abs(u)
    upper = 0.44 - np.hypot(side - 0.5, 1.1 * (v + 0.3))
    lower = 0.32 - np.hypot(side - 0.4, v - 0.42)
    return _inside_either(_inside_either(upper, lower), _inside_both(0.09 - side, 0.7 - np.abs(v)))


def plain(u: Plane, v: Plane, rng: np.random.Generator) -> Plane:
    """One color, with a faint mottle."""
    mottle: Plane = np.sin(3 * u + rng.uniform(0, 6)) * np.sin(3 * v + rng.uniform(0, 6))
    return 0.12 + 0.1 * mottle


def stripes(u: Plane, v: Plane, rng: np.random.Generator) -> Plane:
    """Parallel bands across the object."""
    return _soft_edge(np.sin(rng.uniform(7, 10) * u + rng.uniform(0, 6.3)))


def spots(u: Plane, v: Plane, rng: np.random.Generator) -> Plane:
    """Round spots on a skewed lattice."""
    pitch = rng.uniform(5.5, 7.5)
    a, b = pitch * u + rng.uniform(0, 6.3), pitch * v + rng.uniform(0, 6.3)
    return _soft_edge(np.cos(a + 0.5 * b) + np.cos(b - 0.3 * a) - 0.7)


def checks(u: Plane, v: Plane, rng: np.random.Generator) -> Plane:
    """A chequerboard."""
    pitch = rng.uniform(5.5, 8)
    return _soft_edge(2 * np.sin(pitch * u + rng.uniform(0, 6.3)) * np.sin(pitch * v + rng.uniform(0, 6.3)))


def sectors(u: Plane, v: Plane, rng: np.random.Generator) -> Plane:
    """Wedges from the center."""
    return _soft_edge(1.5 * np.sin(rng.integers(3, 5) * np.arctan2(v, u) + rng.uniform(0, 6.3)))


def rings(u: Plane, v: Plane, rng: np.random.Generator) -> Plane:
    """Circles about the center."""
    return _soft_edge(np.sin(rng.uniform(9, 13) * np.hypot(u, v) + rng.uniform(0, 6.3)))


def sky(size: int, rng: np.random.Generator) -> Plane:
    """Soft clouds, denser towards the horizon."""
    _, y = grid(size)
    return _soft_edge(1.6 * (smooth_noise(size, (3, 2), rng) - 0.55) + 0.35 * y, 1.5)


def water(size: int, rng: np.random.Generator) -> Plane:
    """Ripples, wider towards the viewer."""
    _, y = grid(size)
    bend = smooth_noise(size, (5, 3), rng)
    return _soft_edge(np.sin(rng.uniform(9, 13) * (y + 0.12 * y * y) + 5 * bend + rng.uniform(0, 6.3)), 1.5)


def sand(size: int, rng: np.random.Generator) -> Plane:
    """Fine grains over low dunes."""
    grains = smooth_noise(size, (16, 16), rng)
    return _clip_to_unit(0.9 * (grains - 0.5) + 0.5 * smooth_noise(size, (2, 2), rng) + 0.2)


def foliage(size: int, rng: np.random.Generator) -> Plane:
    """Upright blades and gaps of shade."""
    blades = smooth_noise(size, (4, 13), rng)
    return _soft_edge(4 * (blades - 0.5), 1.2)


def brick(size: int, rng: np.random.Generator) -> Plane:
    """Courses of bricks with light mortar."""
    x, y = grid(size)
    pitch, across, down = rng.uniform(3, 4.5), rng.uniform(0, 2), rng.uniform(0, 2)
    course = np.floor(y * pitch + down)
    wall = (x * pitch / 2 + across + 0.5 * (course % 2)) % 1
    joint = _inside_both(2 * _inside_both(wall, 1 - wall), 0.5 - np.abs(y * pitch + down - course - 0.5))
    return _clip_to_unit(1.1 - 5 * joint)


def night(size: int, rng: np.random.Generator) -> Plane:
    """Dark, with a few scattered lights."""
    lights = smooth_noise(size, (10, 10), rng)
    return _clip_to_unit(7 * (lights - 0.8)) + 0.06


def _triangle_wave(angle: Plane) -> Plane:
    """A triangle wave of period 2 pi, -1..1, highest at 0."""
    wave: Plane = 2 * np.abs((angle / np.pi) % 2 - 1) - 1
    return wave


def _soft_edge(value: Plane, sharpness: float = 3.0) -> Plane:
    """0 to 1 across zero, soft enough not to alias at 32 pixels."""
    return _clip_to_unit(0.5 + 0.5 * sharpness * value)


def _clip_to_unit(value: Plane) -> Plane:
    limited: Plane = np.clip(value, 0, 1)
    return limited


def _inside_both(one: Plane, other: Plane) -> Plane:
    """Inside both shapes."""
    inside: Plane = np.minimum(one, other)
    return inside


def _inside_either(one: Plane, other: Plane) -> Plane:
    """Inside at least one of the shapes."""
    inside: Plane = np.maximum(one, other)
    return inside


SHAPES: dict[str, Shape] = {f.__name__: f for f in (disk, star, flower, triangle, box, ring, fish, butterfly)}
TEXTURES: dict[str, Texture] = {f.__name__: f for f in (plain, stripes, spots, checks, sectors, rings)}
CONTEXTS: dict[str, Context] = {f.__name__: f for f in (sky, water, sand, foliage, brick, night)}
