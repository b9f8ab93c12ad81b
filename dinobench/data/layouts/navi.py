"""NAVI: photos of scanned objects in the wild, with camera poses and the depth of the object's pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.decode import fault_of, is_image_name, open_image
from dinobench.data.layouts._depth_maps import read_counts
from dinobench.data.layouts._files import refuse_missing, require
from dinobench.data.layouts._places import folder_with
from dinobench.data.layouts._walk import subfolders
from dinobench.data.posed_views import PosedView, SeenView, rotation_of
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json
from dinobench.runtime.names import safe_name

DATASETS = ("navi",)
FOLDERS = {"navi_v1": "navi", "navi_v1.0": "navi", "navi_v1.5": "navi"}
SPLITS = ("test",)
EXPECTED_TREE = """ROOT/                              (or the folder above it, which holds navi_v1/)
  <object>/wild_set/annotations.json     camera (q, t in mm, focal_length in pixels), filename, image_size
  <object>/wild_set/images/*.jpg
  <object>/wild_set/depth/*.png          16 bits: 655,350 over the depth in mm, 0 where the object is not
  <object>/multiview*/                   objects without one are left out, as probe3d does
2298 photos of 35 objects: https://github.com/google/navi"""
_INVERSE_PER_MM = np.float32((2**16 - 1) * 10)
_SCENE = "wild_set"


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The photos of the split "test", those in the wild, unlabeled; `posed_views` gives poses and depth maps.

    Raises:
        InputError: another split, no such photo, or a depth map that is missing.
    """
    base = folder_with(root, [f"*/{_SCENE}"])
    if split != "test":
        raise InputError(f"NAVI's photos in the wild have no split '{split}'; leave split = test")
    names = [name for thing in _things(base) for name in _photos(base, thing)]
    if not names:
        raise InputError(
            f"{root} holds no object with {_SCENE}/images and a folder multiview*; `dinobench data check navi` prints "
            "the expected tree"
        )
    refuse_missing(base, [str(_depth_of(Path(name))) for name in names], base)
    return from_files(f"navi/{split}", base, names, [UNLABELED] * len(names), ())


def posed_views(images: ImageSet) -> list[PosedView]:
    """What is known of each photo of a set.

    Raises:
        InputError: a photo without annotation, or one whose camera is none.
    """
    assert images.root is not None  # `open` sets it
    known: dict[Path, dict[str, dict[str, Any]]] = {}
    found = []
    for name in images.names:
        photo = images.root / name
        scene = photo.parents[1]
        known.setdefault(scene, _annotations(scene / "annotations.json"))
        found.append(_view_of(photo, known[scene].get(photo.stem), scene / "annotations.json"))
    return found


def annotation_files(images: ImageSet) -> list[Path]:
    """The annotations of each object, then the depth maps."""
    assert images.root is not None  # `open` sets it
    photos = [images.root / name for name in images.names]
    listings = dict.fromkeys(photo.parents[1] / "annotations.json" for photo in photos)
    return [*listings, *map(_depth_of, photos)]


def read_view(view: PosedView) -> SeenView:
    """A photo of `posed_views` with its depth.

    Raises:
        InputError: one that cannot be decoded.
    """
    try:
        with open_image(view.photo) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise anything on bad bytes
        raise InputError(f"cannot decode image {view.photo}: {fault_of(error)}, or fetch it again") from error
    return SeenView(upright, read_counts(view.depth).astype(np.uint16), _meters)


def _meters(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth of counts of NAVI's maps; 0 where they are 0."""
    inverse = counts / _INVERSE_PER_MM
    depth: NDArray[np.float32] = np.divide(1, inverse, out=np.zeros_like(inverse), where=inverse > 0)
    return depth / np.float32(1000)


def _things(base: Path) -> list[str]:
    """Objects with photos in the wild and at least one collection of several views."""
    scenes = {name: subfolders(base / name) for name in subfolders(base)}
    return [name for name, held in scenes.items() if _SCENE in held and any("multiview" in each for each in held)]


def _photos(base: Path, thing: str) -> list[str]:
    folder = base / thing / _SCENE / "images"
    files = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [f"{thing}/{_SCENE}/images/{name}" for name in files if is_image_name(name) and "_" not in name]


def _depth_of(photo: Path) -> Path:
    return photo.parents[1] / "depth" / f"{photo.stem}.png"


def _annotations(path: Path) -> dict[str, dict[str, Any]]:
    content = read_json(require(path))
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise InputError(f"{path} is not a list of photos; fetch it again")
    return {Path(safe_name(str(entry.get("filename")), f"filename in {path}")).stem: entry for entry in content}


def _view_of(photo: Path, entry: dict[str, Any] | None, path: Path) -> PosedView:
    if entry is None:
        raise InputError(f"{path} says nothing of {photo.name}; fetch it again")
    try:
        camera = entry["camera"]
        quaternion, place = (
            np.array(camera[key], dtype=np.float64).reshape(size) for key, size in (("q", 4), ("t", 3))
        )
        focal, shorter = float(camera["focal_length"]), int(min(entry["image_size"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path} has no camera (q, t, focal_length) and image_size of {photo.name}: {error!r}"
        ) from error
    if not (np.isfinite([*quaternion, *place, focal]).all() and np.linalg.norm(quaternion) > 0 < min(focal, shorter)):
        raise InputError(f"{path} has a camera of {photo.name} that is none; fetch it again")
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation_of(quaternion), place / 1000
    return PosedView(photo.parents[2].name, photo, _depth_of(photo), focal, shorter, pose)
