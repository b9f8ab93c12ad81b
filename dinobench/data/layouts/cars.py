"""Stanford Cars: images and a .mat devkit with a class and a box for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.content import Digest, digest_of
from dinobench.data.dataset import FileSource, ImageSet, from_files
from dinobench.data.layouts import imagefolder
from dinobench.data.layouts._files import (
    read_mat,
    refuse_missing,
    refuse_out_of_range,
    texts,
    variable,
    whole_numbers,
)
from dinobench.data.layouts._places import folder_with, split_base, split_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown

DATASETS = ("cars",)
FOLDERS = {"stanford_cars": "cars"}
SIGNS = ("devkit/cars_train_annos.mat", "cars_train_annos.mat", "car_devkit/devkit/cars_train_annos.mat")
EXPECTED_TREE = """ROOT/
  cars_train/00001.jpg ...     8144 images
  cars_test/00001.jpg ...      8041 images
  devkit/cars_meta.mat         196 class names
  devkit/cars_train_annos.mat
  cars_test_annos_withlabels.mat
Copies are taken as they are: cars_train/cars_train/, annotations in ROOT or car_devkit/devkit/, or class folders
{train,test}/<class>/*.jpg.
"train" and "val" are whole images; "train-cropped" and "val-cropped" are cut to the annotated boxes.
The official address (ai.stanford.edu/~jkrause/cars) has been dead since 2023; copies are on Kaggle and Hugging Face."""

_CROPPED = "-cropped"
_TEST_LABELS = "cars_test_annos_withlabels.mat"
_SPLITS = {
    "train": ("cars_train", "cars_train_annos.mat"),
    "val": ("cars_test", _TEST_LABELS),
    "test": ("cars_test", _TEST_LABELS),
}
_BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


@dataclass(frozen=True, eq=False)
class BoxSource(FileSource):
    """Image files cut to one box each.

    Attributes:
        boxes: (N, 4) left, top, right, bottom in pixels, counted from 1, both ends included, as the devkit has them.
    """

    boxes: NDArray[np.int64]

    def read(self, index: int) -> Image.Image:
        """Decode the file of that index and cut out its box; InputError where they do not fit."""
        image = super().read(index)
        left, top, right, bottom = (int(edge) for edge in self.boxes[index])
        if not (1 <= left <= right <= image.width and 1 <= top <= bottom <= image.height):
            where = f"{self.names[index]} ({image.width} x {image.height} pixels)"
            raise InputError(
                f"box {left},{top},{right},{bottom} does not fit {where}; are the images cropped already? "
                f"Use the split without '{_CROPPED}'"
            )
        return image.crop((left - 1, top - 1, right, bottom))

    def digests(self, indices: NDArray[np.int64], *, full: bool = False) -> list[Digest]:
        """Of the files' bytes and the boxes."""
        whole = super().digests(indices, full=full)
        return [digest_of(digest + self.boxes[index].tobytes()) for digest, index in zip(whole, indices, strict=True)]


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of "train" or "val"; with "-cropped" appended, cut to their boxes.

    Raises:
        InputError: a missing or unreadable .mat file, a class out of range, or missing images.
    """
    plain = split.removesuffix(_CROPPED)
    if plain not in _SPLITS:
        raise unknown("split of cars", split, [*_SPLITS, "train-cropped", "val-cropped"])
    folder, listing = _SPLITS[plain]
    if not _is_original(root) and split_folder(split_base(root), plain):
        return imagefolder.open(root, split)
    root = folder_with(root, ("cars_train", "cars_test"))
    return _from_annotations(root, split, folder, _annotation_file(root, listing))


def _is_original(root: Path) -> bool:
    """Whether images lie in cars_train and cars_test; copies on Kaggle have a folder for each class instead."""
    base = folder_with(root, ("cars_train", "cars_test"))
    return any((base / name).is_dir() for name in ("cars_train", "cars_test"))


def _annotation_file(root: Path, name: str) -> Path:
    """An annotation file in the devkit's folder, where copies have it, or loose; the devkit's place if it is nowhere.

    Raises:
        InputError: labels of the test images are asked for, and only their boxes are there.
    """
    folders = (root / "devkit", root, root / "car_devkit" / "devkit", root / "car_devkit")
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None and name == _TEST_LABELS:
        raise InputError(
            f"no file {name} in {root} or its devkit/: the devkit's cars_test_annos.mat has no classes; fetch "
            f"{name} besides"
        )
    return found or folders[0] / name


def _image_folder(root: Path, folder: str) -> str:
    """The folder of a split's images, which Kaggle's archive has twice (cars_train/cars_train/)."""
    return f"{folder}/{folder}" if (root / folder / folder).is_dir() else folder


def _from_annotations(root: Path, split: str, folder: str, listing: Path) -> ImageSet:
    meta = _annotation_file(root, "cars_meta.mat")
    classes = texts(variable(read_mat(meta), "class_names", meta), f"class_names of {meta}")
    annotations = _read_annotations(listing)
    place = _image_folder(root, folder)
    names = [f"{place}/{name}" for name in texts(annotations["fname"], f"fname of {listing}")]
    labels = whole_numbers(annotations["class"], f"class of {listing}") - 1
    refuse_missing(root, names, listing)
    refuse_out_of_range(labels, len(classes), names, listing)
    images = from_files(f"cars/{split}", root, names, labels, classes)
    if not split.endswith(_CROPPED):
        return images
    boxes = np.stack([whole_numbers(annotations[edge], f"{edge} of {listing}") for edge in _BOX], axis=1)
    return replace(images, source=BoxSource(root, images.names, boxes))


def _read_annotations(path: Path) -> NDArray[np.void]:
    annotations = variable(read_mat(path), "annotations", path)
    absent = [field for field in ("fname", "class", *_BOX) if field not in (annotations.dtype.names or ())]
    if absent:
        hint = "; the test split needs cars_test_annos_withlabels.mat" if "class" in absent else ""
        raise InputError(f"annotations of {path} lack {', '.join(absent)}{hint}")
    return annotations
