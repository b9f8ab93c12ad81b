"""NAVI's twin: drawn plates in space, photographed from several sides, with camera poses and depth maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data import mini
from dinobench.data.posed_views import rotation_of
from dinobench.data.twins._depths import save_counts
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_THINGS = ("3d_dollhouse_sink", "chicken_racer", "duck_bath_yellow_s")
_SIZE, _FOCAL, _AWAY, _HALF = (160, 120), 200.0, 300.0, 60.0  # pixels, pixels, mm, mm
_INVERSE_PER_MM = (2**16 - 1) * 10
_TURNS = (-50.0, 50.0)  # degrees about the upright


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 3 objects with 5 photos in the wild and one of several views each (ten times as many when not `small`)."""
    rng = np.random.default_rng([seed, 36])
    for number, thing in enumerate(_THINGS):
        plate = mini.draw(number, rng, 96)
        for scene, count in (("wild_set", 5 if small else 50), ("multiview_00_pixel_5", 1)):
            folder = root / "navi_v1" / thing / scene
            entries = [_draw_view(folder, f"{each:03d}", thing, plate, rng) for each in range(count)]
            write_text_atomically(folder / "annotations.json", json.dumps(entries))


def _draw_view(
    folder: Path, name: str, thing: str, plate: NDArray[np.uint8], rng: np.random.Generator
) -> dict[str, object]:
    turn = np.deg2rad(rng.uniform(*_TURNS)) / 2
    quaternion = np.array([np.cos(turn), 0.05 * rng.normal(), np.sin(turn), 0.05 * rng.normal()])
    place = np.array([*rng.uniform(-15, 15, 2), _AWAY * rng.uniform(0.9, 1.1)])
    pixels, depth = _photograph(plate, rotation_of(quaternion), place, mini.draw(5, rng, 32))
    save_jpeg(folder / "images" / f"{name}.jpg", pixels)
    counts = np.divide(_INVERSE_PER_MM, depth, out=np.zeros_like(depth), where=depth > 0)
    (folder / "depth").mkdir(parents=True, exist_ok=True)
    save_counts(folder / "depth" / f"{name}.png", np.rint(counts).astype(np.uint16))
    camera = {"q": quaternion.tolist(), "t": place.tolist(), "focal_length": _FOCAL, "camera_model": "pixel_5"}
    entry = {"object_id": thing, "camera": camera, "filename": f"{name}.jpg", "scene_name": folder.name}
    return {**entry, "image_size": [_SIZE[1], _SIZE[0]], "split": "val", "occluded": False}


def _photograph(
    plate: NDArray[np.uint8], rotation: NDArray[np.float64], place: NDArray[np.float64], backdrop: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The photo of a plate in the plane z = 0 of its coordinates, and the depth of its pixels in mm, 0 beside it."""
    width, height = _SIZE
    across, down = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    rays = np.stack([across / _FOCAL, down / _FOCAL, np.ones_like(across)], axis=2)
    depth = (rotation[:, 2] @ place) / (rays @ rotation[:, 2])
    own = (rays * depth[..., None] - place) @ rotation
    inside = np.abs(own[..., :2]).max(axis=2) < _HALF
    texels = np.clip((own[..., :2] + _HALF) / (2 * _HALF) * len(plate), 0, len(plate) - 1).astype(int)
    behind = np.asarray(Image.fromarray(backdrop).resize(_SIZE))
    pixels = np.where(inside[..., None], plate[texels[..., 1], texels[..., 0]], behind)
    return pixels, np.where(inside, depth, 0.0)
