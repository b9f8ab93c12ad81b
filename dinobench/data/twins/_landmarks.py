"""Twins of the revisited retrieval sets: landmarks seen again and again, judged easy, hard or junk."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data import mini
from dinobench.data.mini import Pose, Thing
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import atomic_path

_SIZE = 224
_VIEWS = {"query": 2, "easy": 4, "hard": 4, "junk": 2}


@dataclass(frozen=True, eq=False)
class _Landmark:
    """One place: an object with a companion, always on the same ground."""

    thing: Thing
    companion: Thing
    context: str
    ground: int


def write_landmarks(root: Path, name: str, landmarks: int, distractors: int, rng: np.random.Generator) -> None:
    """Write jpg/ and gnd_NAME.pkl: two queries per landmark, its other views and `distractors` as the database.

    The first landmark has no easy view, as two queries of the real Oxford have none.
    """
    views: list[tuple[int, str, str]] = []  # landmark, how it is judged, image
    boxes: dict[str, list[float]] = {}
    for number in range(landmarks):
        place = _draw_landmark(number, rng)
        for kind, count in _VIEWS.items():
            for view in range(count if (number, kind) != (0, "easy") else 0):
                image = f"landmark{number:02d}_{kind}_{view:06d}"
                pixels, boxes[image] = _photograph_of(place, kind, rng)
                save_jpeg(root / "jpg" / f"{image}.jpg", pixels)
                views.append((number, kind, image))
    others = [f"elsewhere_{number:06d}" for number in range(distractors)]
    for image in others:
        save_jpeg(root / "jpg" / f"{image}.jpg", mini.draw(int(rng.integers(len(mini.CLASSES))), rng, _SIZE))
    database = [image for _, kind, image in views if kind != "query"] + others
    database = [database[index] for index in rng.permutation(len(database))]
    with atomic_path(root / f"gnd_{name}.pkl") as temporary:
        temporary.write_bytes(pickle.dumps(_ground_truth(views, boxes, database), protocol=2))


def _ground_truth(
    views: list[tuple[int, str, str]], boxes: dict[str, list[float]], database: list[str]
) -> dict[str, Any]:
    """The file's content, of Python's own types: gnd, imlist, qimlist."""
    place_of = {image: index for index, image in enumerate(database)}
    queries = [(number, image) for number, kind, image in views if kind == "query"]
    truth = [
        {"bbx": boxes[image]}
        | {
            kind: [place_of[other] for landmark, judged, other in views if (landmark, judged) == (number, kind)]
            for kind in ("easy", "hard", "junk")
        }
        for number, image in queries
    ]
    return {"gnd": truth, "imlist": database, "qimlist": [image for _, image in queries]}


def _draw_landmark(number: int, rng: np.random.Generator) -> _Landmark:
    label = number % len(mini.CLASSES)
    context = mini.CATEGORIES[label].context
    return _Landmark(mini.thing_of(label, rng), mini.any_thing(rng), context, int(rng.integers(2**32)))


def _photograph_of(place: _Landmark, kind: str, rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[float]]:
    """One view of a landmark, (H, W, 3), and the box [left, top, right, bottom] of its main object in pixels."""
    far = {"query": 0.3, "easy": 0.4, "hard": 1.0, "junk": 1.4}[kind]
    canvas = mini.draw_backdrop(place.context, np.random.default_rng(place.ground), _SIZE)
    scale = rng.uniform(0.5, 0.65) / (1 + 0.7 * far * rng.random())
    x, y = rng.uniform(-0.3, 0.3, 2) * far
    pose = Pose(x, y, scale, rng.normal(0, 0.4) * far, 1 + rng.uniform(-0.25, 0.25) * far)
    cover = mini.paint(canvas, place.thing, pose)
    mini.paint(canvas, place.companion, Pose(x + 0.75 * scale, y + 0.6 * scale, 0.4 * scale, pose.angle))
    for _ in range({"query": 0, "easy": 1, "hard": 2, "junk": 5}[kind]):
        mini.paint(canvas, mini.any_thing(rng), mini.random_pose(rng, 0.2, 0.4, reach=0.8))
    height = int(rng.integers(_SIZE * 7 // 8, _SIZE + 1))
    rows, columns = np.nonzero(cover[:height] > 0.5)
    box = [float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)]
    return mini.finish(mini.light(canvas, rng), rng)[:height], box
