"""Places205 as its archives unpack: images on shelves by the class's first letter, and two lists with class numbers."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.layouts import imagefolder
from dinobench.data.layouts._files import read_lines, refuse_missing
from dinobench.data.layouts._places import contents, has_splits, split_base
from dinobench.data.layouts._walk import subfolders
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown

DATASETS = ("places205",)
SIGNS = ("train_places205.csv", "trainvalsplit_places205/train_places205.csv")
EXPECTED_TREE = """ROOT/
  images256/a/abbey/*.jpg ...                     or data/vision/torralba/deeplearning/images256/, as the archive has it
  trainvalsplit_places205/train_places205.csv     or the two lists in ROOT itself
  trainvalsplit_places205/val_places205.csv       a path and a class number per line
  {train,val}/<class>/*                           class folders of the 205 classes serve in their place
2448873 train and 20500 val images of 205 classes, 256 x 256.
http://places.csail.mit.edu/downloadData.html (imagesPlaces205_resize.tar.gz, trainvalsplit_places205.tar.gz)."""

_IMAGES = ("images256", "data/vision/torralba/deeplearning/images256")


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" or "val" in the order of the list.

    Raises:
        InputError: no list or no images, a line without class number, classes in val that train lacks.
    """
    if split not in ("train", "val"):
        raise unknown("split of Places205", split, ("train", "val"))
    listing = _find_list(root, split)
    if listing is None:
        if root.is_dir() and has_splits(split_base(root)):
            return imagefolder.open(root, split)
        raise InputError(
            f"{root} has no {split}_places205.csv but {contents(root)}; unpack trainvalsplit_places205.tar.gz there"
        )
    names, labels, classes = _read_list(listing)
    base = _image_folder(root, names[0] if names else "", listing)
    refuse_missing(base, names, listing)
    train = _find_list(root, "train")
    if split == "val" and train is not None:
        known = _read_list(train)[2]
        imagefolder.refuse_unknown_classes(root, known, classes)
        labels = np.array([known.index(classes[label]) for label in range(len(classes))])[labels]
        classes = known
    return from_files(f"places205/{split}", base, names, labels, classes)


def _find_list(root: Path, split: str) -> Path | None:
    folders = (root, root / "trainvalsplit_places205", *(root / name for name in subfolders(root)))
    return next((path for folder in folders if (path := folder / f"{split}_places205.csv").is_file()), None)


def _image_folder(root: Path, name: str, listing: Path) -> Path:
    """The folder that the list's paths start from."""
    places = (root, *(root / each for each in subfolders(root)))
    folders = [place / inner for place in places for inner in (*_IMAGES, "")]
    found = next((folder for folder in folders if (folder / PurePosixPath(name).parent).is_dir()), None)
    if found is None or not name:
        raise InputError(
            f"{root} holds no images for {listing.name} (no {_IMAGES[0]}/{PurePosixPath(name).parent}/) but "
            f"{contents(root)}; unpack imagesPlaces205_resize.tar.gz there"
        )
    return found


def _read_list(listing: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Paths, (N,) labels that count the classes present, and class names in the order of their numbers."""
    rows = [line.rsplit(maxsplit=1) for line in read_lines(listing)]
    if any(len(row) != 2 or not row[1].isdecimal() for row in rows):
        raise InputError(f"{listing} has a line that is not a path and class number; fetch it again")
    kinds = {int(number): str(PurePosixPath(path).parent) for path, number in rows}
    rank = {number: position for position, number in enumerate(sorted(kinds))}
    labels = np.array([rank[int(number)] for _, number in rows], dtype=np.int64)
    return [path for path, _ in rows], labels, [kinds[number] for number in sorted(kinds)]
