"""The Met dataset: the museum's own photos of exhibits, and visitors' photos that ask which exhibit they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dinobench.data.check import check_splits
from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts._files import refuse_missing, require
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json
from dinobench.runtime.names import inside
from dinobench.runtime.text import first_few

DATASETS = ("met",)
FOLDERS = {"MET": "met", "Met": "met"}
SPLITS = ("train", "val", "test")
EXPECTED_TREE = """ROOT/
  ground_truth/MET_database.json     list of path and id (the exhibit); or mini_MET_database.json, the part of 38,307
  ground_truth/{valset,testset}.json list of path, and MET_id where the photo shows an exhibit
  images/<path>                      such as images/MET/1234/0.jpg
The three lists may also lie in ROOT itself.
397,121, 2,165 and 19,319 photos: http://cmp.felk.cvut.cz/met/"""
_QUERIES = {"val": "valset.json", "test": "testset.json"}
_DATABASES = ("MET_database.json", "mini_MET_database.json")


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The museum's photos ("train") by exhibit, or the queries ("val", "test"); those of no exhibit are unlabeled.

    Raises:
        InputError: another split, no list, a photo that is missing, or a query for an exhibit that "train" lacks.
    """
    database = _database(root)
    known = _listed(database, "id")
    classes = tuple(sorted({kind for _, kind in known if kind is not None}, key=lambda kind: (len(kind), kind)))
    if split == "train":
        listing, listed = database, known
    elif split in _QUERIES:
        listing = database.parent / _QUERIES[split]
        listed = _listed(listing, "MET_id", needed=False)
    else:
        raise InputError(f"Met has no split '{split}'; give train, val or test")
    place = {kind: number for number, kind in enumerate(classes)}
    strange = sorted({kind for _, kind in listed if kind is not None and kind not in place})
    if strange:
        raise InputError(
            f"{listing} asks for {len(strange)} exhibits that {database.name} lacks: {first_few(strange)}; "
            "give lists of one release"
        )
    names = [f"images/{path}" for path, _ in listed]
    for name in names:
        inside(root, name, str(listing))
    refuse_missing(root, names, listing)
    labels = [UNLABELED if kind is None else place[kind] for _, kind in listed]
    notes = ("the database is mini_MET_database.json, a part of Met's",) if database.name != _DATABASES[0] else ()
    return from_files(f"met/{split}", root, names, np.array(labels), classes, notes)


def check(root: Path) -> Findings:
    """Photos of each split, and what is missing."""
    return check_splits(open, root, SPLITS)


def _database(root: Path) -> Path:
    places = [folder / name for name in _DATABASES for folder in (root / "ground_truth", root)]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise InputError(f"{root} has no ground_truth/{_DATABASES[0]}; `dinobench data check met` prints the tree")
    return found


def _listed(path: Path, key: str, needed: bool = True) -> list[tuple[str, str | None]]:
    """Path and exhibit of each photo of a list; None where it has no exhibit."""
    content = read_json(require(path))
    if not isinstance(content, list):
        raise InputError(f"{path} is not a list of photos; fetch it again")
    return [_photo(entry, key, needed, path) for entry in content]


def _photo(entry: Any, key: str, needed: bool, path: Path) -> tuple[str, str | None]:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise InputError(f"{path} lists a photo without path; fetch it again")
    kind = entry.get(key)
    if kind is None and not needed:
        return entry["path"], None
    if not isinstance(kind, int | str) or not str(kind).isdecimal():
        raise InputError(f"{path} has no number of an exhibit ({key}) for {entry['path']!r:.80}; fetch it again")
    return entry["path"], str(int(kind))
