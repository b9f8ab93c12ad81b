"""DAVIS 2017's twin: moving objects that hide one another, leave the frame and come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinobench.data import mini
from dinobench.data.drawing import Plane
from dinobench.data.masks import Labels, write_labels
from dinobench.data.mini import Pose, Thing
from dinobench.data.twins._drawing import counted, save_jpeg
from dinobench.runtime.files import write_text_atomically

_SEQUENCES = {"train": ("drift",), "val": ("crossing", "return", "crowd")}
_ASPECT = 16 / 9


@dataclass(frozen=True)
class _Track:
    """An object and how it moves: its pose at time 0, and the change of place, angle and scale up to time 1."""

    thing: Thing
    start: Pose
    x: float
    y: float
    turn: float
    growth: float
    returns: bool = False

    def at(self, time: float) -> Pose:
        """Pose at `time` in 0..1; one that returns goes out by half-time and comes back."""
        moved = np.sin(np.pi * time) if self.returns else time
        start = self.start
        return replace(
            start,
            x=start.x + self.x * moved,
            y=start.y + self.y * moved,
            angle=start.angle + self.turn * time,
            scale=start.scale * (1 + self.growth * time),
        )


def write(root: Path, *, seed: int = 0, small: bool = True, height: int = 480) -> None:
    """Draw three val sequences and a train one: frames, palette masks and lists.

    Args:
        root: folder to fill.
        seed: draws other objects and paths.
        small: 10 frames a sequence; otherwise 40.
        height: of a frame in pixels; the folders are called 480p whatever it is.
    """
    frames = counted(3, 10, 40, is_small=small)
    for split, names in _SEQUENCES.items():
        for name in names:
            rng = np.random.default_rng([seed, *name.encode()])
            for number, (picture, mask) in enumerate(drawn_frames(name, rng, frames, height)):
                save_jpeg(root / "JPEGImages" / "480p" / name / f"{number:05d}.jpg", picture)
                write_labels(root / "Annotations" / "480p" / name / f"{number:05d}.png", mask)
        write_text_atomically(root / "ImageSets" / "2017" / f"{split}.txt", "\n".join(names) + "\n")


def drawn_frames(
    name: str, rng: np.random.Generator, frames: int, height: int
) -> Iterator[tuple[NDArray[np.uint8], Labels]]:
    """Picture (H, W, 3) and object numbers (H, W) of every frame of the sequence of that name."""
    width = round(height * _ASPECT)
    tracks, hider = _object_tracks(name, rng)
    pan = width // 8
    wide = mini.draw_backdrop(str(rng.choice(["sky", "water", "sand", "foliage", "brick"])), rng, width + pan)
    light_seed = int(rng.integers(2**32))
    for number in range(frames):
        time = number / (frames - 1)
        left = round(pan * time)
        canvas = wide[:height, left : left + width].copy()
        mask = _paint_objects(canvas, tracks, hider, time)
        lit = mini.light(canvas, np.random.default_rng(light_seed))
        yield mini.finish(lit, rng), mask


def _paint_objects(canvas: Plane, tracks: list[_Track], hider: _Track | None, time: float) -> Labels:
    """Paint all objects at `time`, later ones in front; returns object numbers (H, W)."""
    mask: NDArray[np.uint8] = np.zeros(canvas.shape[:2], dtype=np.uint8)
    for number, track in enumerate(tracks, start=1):
        mask[mini.paint(canvas, track.thing, track.at(time)) > 0.5] = number
    if hider is not None:
        mask[mini.paint(canvas, hider.thing, hider.at(time)) > 0.5] = 0
    return mask


def _object_tracks(name: str, rng: np.random.Generator) -> tuple[list[_Track], _Track | None]:
    """The objects of a sequence, and one without a label that passes in front of them."""
    kinds = rng.permutation(len(mini.CLASSES))
    things = [mini.thing_of(int(kind), rng) for kind in kinds[:4]]
    turn, growth = rng.uniform(-0.6, 0.6, 4), rng.uniform(-0.15, 0.3, 4)
    small = [Pose(x, y, 0.24, float(rng.normal(0, 0.3))) for x, y in ((-0.6, -0.1), (0.5, 0.1), (0, 0), (0, -0.2))]
    across = _Track(things[0], small[0], 1.1, 0.1, turn[0], growth[0])
    back = _Track(things[1], small[1], -1.0, -0.1, turn[1], growth[1])
    out = _Track(things[2], replace(small[2], x=0.4), 1.2, 0.0, turn[2], growth[2], returns=True)
    late = _Track(things[1], replace(small[1], x=-1.6), 2.0, -0.1, turn[1], growth[1])
    hider = _Track(things[3], replace(small[3], x=-0.9, scale=0.2), 1.8, 0.2, turn[3], 0.0)
    return {
        "drift": ([replace(across, x=0.6)], None),
        "crossing": ([across, back], None),
        "return": ([out, replace(across, x=0.3)], None),
        "crowd": ([across, back, out], hider),
        "entering": ([replace(across, x=0.6), late], None),
    }[name]
