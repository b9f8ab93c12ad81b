"""SPair-71k: pairs of photos of one category with the points that both show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.keypoints import KeypointPair, Points
from dinobench.data.layouts._files import read_object, refuse_missing
from dinobench.data.layouts._places import folder_with
from dinobench.runtime.errors import InputError
from dinobench.runtime.names import inside

DATASETS = ("spair",)
FOLDERS = {"SPair-71k": "spair"}
SPLITS = ("train", "val", "test")
EXPECTED_TREE = """ROOT/                       (or the folder above it, which holds SPair-71k/)
  JPEGImages/<category>/<id>.jpg
  PairAnnotation/{trn,val,test}/<number>-<id>-<id>:<category>.json     src_kps, trg_kps, trg_bndbox, category
53,340, 5,384 and 12,234 pairs of 1,800 photos: https://cvlab.postech.ac.kr/research/SPair-71k"""
_FOLDERS = {"train": "trn", "val": "val", "test": "test"}


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The photos of the pairs of "train", "val" or "test", unlabeled; `keypoint_pairs` gives the pairs.

    Raises:
        InputError: no pair, a broken one, or a photo of one is missing.
    """
    base = folder_with(root, ["PairAnnotation"])
    names = sorted({_image_of(raw, key, path) for path, raw in _annotations(base, split) for key in ("src", "trg")})
    refuse_missing(base, names, base / "PairAnnotation")
    return from_files(f"spair/{split}", base, names, [UNLABELED] * len(names), ())


def keypoint_pairs(images: ImageSet) -> list[KeypointPair]:
    """The pairs of a set that `open` gave, in the order of their names.

    Raises:
        InputError: a pair whose points are none, or lie outside their photo.
    """
    assert images.root is not None  # `open` sets it
    index = {name: number for number, name in enumerate(images.names)}
    split = images.name.rpartition("/")[2]
    return [_pair_of(path, raw, index) for path, raw in _annotations(images.root, split)]


def annotation_files(images: ImageSet) -> list[Path]:
    """The files that the pairs of a set come from."""
    assert images.root is not None  # `open` sets it
    return _paths(images.root, images.name.rpartition("/")[2])


def _paths(base: Path, split: str) -> list[Path]:
    folder = base / "PairAnnotation" / _FOLDERS.get(split, split)
    found = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not found:
        raise InputError(
            f"{base} has no pairs in PairAnnotation/{folder.name}; `dinobench data check spair` prints the tree"
        )
    return found


def _annotations(base: Path, split: str) -> list[tuple[Path, dict[str, Any]]]:
    return [(path, read_object(path)) for path in _paths(base, split)]


def _image_of(raw: dict[str, Any], key: str, path: Path) -> str:
    name, category = raw.get(f"{key}_imname"), raw.get("category")
    if not isinstance(name, str) or not isinstance(category, str):
        raise InputError(f"{path} names no {key}_imname and category; fetch the annotations again")
    relative = f"JPEGImages/{category}/{name}"
    inside(path.parent, relative, str(path))
    return relative


def _pair_of(path: Path, raw: dict[str, Any], index: dict[str, int]) -> KeypointPair:
    points = {key: _points(raw, f"{key}_kps", raw.get(f"{key}_imsize"), path) for key in ("src", "trg")}
    if len(points["src"]) != len(points["trg"]):
        raise InputError(
            f"{path} has {len(points['src'])} points in one photo, {len(points['trg'])} in the other; fetch it again"
        )
    left, top, right, bottom = _numbers(raw.get("trg_bndbox"), (4,), "trg_bndbox", path)
    if not (right > left and bottom > top):
        raise InputError(f"{path} has a trg_bndbox without extent; fetch it again")
    return KeypointPair(
        path.stem,
        raw["category"],
        index[_image_of(raw, "src", path)],
        index[_image_of(raw, "trg", path)],
        points["src"],
        points["trg"],
        float(max(right - left, bottom - top)),
    )


def _points(raw: dict[str, Any], key: str, size: Any, path: Path) -> Points:
    points = _numbers(raw.get(key), (-1, 2), key, path)
    width, height = _numbers(size, (3,), "imsize", path)[:2]
    if not len(points) or (points < 0).any() or (points > [width, height]).any():
        raise InputError(
            f"{path} has no points in {key}, or points outside the photo of {width:g} x {height:g}; fetch it again"
        )
    return points


def _numbers(values: Any, shape: tuple[int, ...], key: str, path: Path) -> Points:
    try:
        found: Points = np.array(values, dtype=np.float64).reshape(shape)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} has no numbers in {key}; fetch it again") from error
    if not np.isfinite(found).all():
        raise InputError(f"{path} has a {key} that is not finite; fetch it again")
    return found
