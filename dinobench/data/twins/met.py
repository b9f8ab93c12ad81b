"""The Met's twin: drawn exhibits before a plain wall, visitors' photos of some, and photos of none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data import mini
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_EXHIBITS, _SIDE = 20, 96
_QUERIES = {"valset": (6, 6), "testset": (10, 12)}


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 20 exhibits with 2 photos each, and 12 and 22 queries, half of them of exhibits (or ten times as many)."""
    rng, times = np.random.default_rng([seed, 224]), 1 if small else 10
    kinds = [int(rng.integers(len(mini.CLASSES))) for _ in range(_EXHIBITS * times)]
    things = [mini.draw(kind, rng, 64) for kind in kinds]
    listed = [(f"MET/{number}/{view}.jpg", number) for number in range(len(things)) for view in range(2)]
    for path, number in listed:
        save_jpeg(root / "images" / path, _photo(things[number], rng, 8, (235, 235, 235)))
    entries = [{"id": number, "path": path} for path, number in listed]
    write_text_atomically(root / "ground_truth" / "MET_database.json", json.dumps(entries))
    for name, (known, unknown) in _QUERIES.items():
        folder = f"{name.removesuffix('set')}_met"
        queries: list[dict[str, object]] = []
        for number in range((known + unknown) * times):
            path = f"{folder}/{number}.jpg"
            which = int(rng.integers(len(things)))
            shown = number < known * times
            thing = things[which] if shown else mini.draw(int(rng.integers(len(mini.CLASSES))), rng, 64)
            color = tuple(int(value) for value in rng.integers(40, 160, 3))
            save_jpeg(root / "images" / path, _photo(thing, rng, 20, color))
            queries.append({"path": path, **({"MET_id": which} if shown else {})})
        write_text_atomically(root / "ground_truth" / f"{name}.json", json.dumps(queries))


def _photo(thing: NDArray[np.uint8], rng: np.random.Generator, reach: int, wall: tuple[int, ...]) -> NDArray[np.uint8]:
    """A thing before a wall, up to `reach` pixels from the middle."""
    photo = Image.new("RGB", (_SIDE, _SIDE), wall)
    shift = rng.integers(-reach, reach + 1, 2) // 2
    place = tuple(int((_SIDE - 64) // 2 + each) for each in shift)
    photo.paste(Image.fromarray(thing), place)  # type: ignore[arg-type]
    return np.asarray(photo)
