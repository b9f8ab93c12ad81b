"""SPair-71k's twin: drawn objects of a few categories at other places and sizes, with the points that both show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data import mini
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_PAIRS = {"trn": 2, "val": 1, "test": 3}
_CATEGORIES = ("aeroplane", "bicycle", "bird")
_PHOTOS = 4
_PLACES = ((0.3, 0.3), (0.7, 0.3), (0.5, 0.5), (0.3, 0.7), (0.7, 0.7))  # of points, as shares of the object's box


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 4 photos of 3 categories and 2, 1 and 3 pairs of each (ten times as many pairs when not `small`)."""
    base, rng = root / "SPair-71k", np.random.default_rng([seed, 71])
    for number, category in enumerate(_CATEGORIES):
        thing = mini.draw(number, rng, 64)
        photos = [_draw_photo(base, category, f"2008_{100 * number + each:06d}", thing, rng) for each in range(_PHOTOS)]
        for split, count in _PAIRS.items():
            for pair in range(count if small else 10 * count):
                one, other = (photos[place] for place in rng.permutation(_PHOTOS)[:2])
                _write_pair(base, split, 100 * number + pair, category, one, other)


def _draw_photo(
    base: Path, category: str, name: str, thing: NDArray[np.uint8], rng: np.random.Generator
) -> dict[str, object]:
    width, height = (int(rng.integers(90, 150)) for _ in range(2))
    pixels = np.asarray(Image.fromarray(mini.draw(5, rng, 32)).resize((width, height))).copy()
    side = int(rng.integers(48, 80))
    left, top = int(rng.integers(width - side)), int(rng.integers(height - side))
    pixels[top : top + side, left : left + side] = np.asarray(Image.fromarray(thing).resize((side, side)))
    save_jpeg(base / "JPEGImages" / category / f"{name}.jpg", pixels)
    points = {
        str(number): [left + round(x * side), top + round(y * side)] if rng.random() < 0.9 else None
        for number, (x, y) in enumerate(_PLACES)
    }
    photo: dict[str, object] = {"filename": f"{name}.jpg", "category": category, "kps": points}
    photo |= {"bndbox": [left, top, left + side, top + side], "image_width": width, "image_height": height}
    write_text_atomically(base / "ImageAnnotation" / category / f"{name}.json", json.dumps(photo))
    return photo


def _write_pair(
    base: Path, split: str, number: int, category: str, one: dict[str, object], other: dict[str, object]
) -> None:
    points = [photo["kps"] for photo in (one, other)]
    both = [key for key in points[0] if points[0][key] and points[1][key]]  # type: ignore[index,attr-defined]
    raw: dict[str, object] = {"category": category, "viewpoint_variation": 0, "kps_ids": both}
    for key, photo, known in zip(("src", "trg"), (one, other), points, strict=True):
        raw[f"{key}_imname"], raw[f"{key}_bndbox"] = photo["filename"], photo["bndbox"]
        raw[f"{key}_imsize"] = [photo["image_width"], photo["image_height"], 3]
        raw[f"{key}_kps"] = [known[point] for point in both]  # type: ignore[index]
    ids = "-".join(str(photo["filename"]).removesuffix(".jpg") for photo in (one, other))
    raw["filename"] = f"{number:06d}-{ids}:{category}"
    write_text_atomically(base / "PairAnnotation" / split / f"{raw['filename']}.json", json.dumps(raw))
