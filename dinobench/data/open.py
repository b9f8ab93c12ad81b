"""From what the user typed to an ImageSet."""

from __future__ import annotations

import os
from pathlib import Path

from dinobench.data import digits, huggingface, lists, mini
from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.layouts import imagefolder
from dinobench.data.registry import dataset_layouts, folder_names, is_labeled, layout_by_signs, split_opener
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.suggest import unknown

EMBEDDED = {"mini": mini.open_mini, "digits": digits.open_digits}
DATA_VARIABLE = "DINOBENCH_DATA"


def open_dataset(spec: str | Path, split: str, layout: str | None = None, dataset: str = "") -> ImageSet:
    """Open a split of the data that `spec` names.

    Args:
        spec: `mini`, `digits`, a folder, a list of images (.csv, .json), a dataset's name (a folder below
            $DINOBENCH_DATA), or `hf:NAME[/SPLIT]`.
        split: "train", "val" or "test", as the data have them.
        layout: how the folder is laid out; by default as its files or its name tell, else class folders. For
            "imagefolder" any layout of labeled images serves.
        dataset: which data set is wanted, where several may lie in the folder.

    Raises:
        InputError: nothing is there, or what is there does not fit its layout.
    """
    spec = str(spec)
    if spec in EMBEDDED:
        return EMBEDDED[spec](split)
    if lists.is_list(spec):
        return lists.open_list(user_path(spec), split)
    if not is_folder_spec(spec):
        return huggingface.open_hub(spec.removeprefix("hf:"), split)
    root, layout = locate(spec, layout)
    return split_opener(layout, dataset)(root, split)


def open_training(spec: str) -> ImageSet:
    """Every image to train on without labels: of class folders also those that lie beside or between classes.

    Raises:
        InputError: nothing is there, or no image in it.
    """
    if not is_folder_spec(spec):
        return open_dataset(spec, "train")
    root, layout = locate(spec, None)
    return imagefolder.training(root) if layout == "imagefolder" else split_opener(layout)(root, "train")


def open_images(path: str | Path) -> ImageSet:
    """Every image below a folder, sorted by path, or one image file; without labels.

    Raises:
        InputError: nothing is there, or no image in it.
    """
    place = user_path(str(path))
    if place.is_file():
        return from_files(place.name, place.parent, [place.name], [UNLABELED], ())
    return imagefolder.all_images(dataset_root(str(path)))


def locate(spec: str, layout: str | None) -> tuple[Path, str]:
    """The folder that a Data SPEC names, and the layout in which it is read.

    Args:
        spec: a folder or a dataset's name.
        layout: the one that is wanted, if any; a task on class folders takes labeled images in whatever way they lie.
    """
    root = dataset_root(spec)
    if layout not in (None, "imagefolder"):
        return root, layout
    found = layout_of(str(root))
    return root, found if layout is None or is_labeled(found) else layout


def is_folder_spec(spec: str) -> bool:
    """Whether a Data SPEC names a folder, by its path or its name, and not embedded or `hf:` data or a list."""
    return spec not in EMBEDDED and not spec.startswith("hf:") and not lists.is_list(spec)


def layout_of(spec: str) -> str:
    """Layout of the dataset or folder: the one whose files are there, else that of its name, else class folders."""
    folder = user_path(spec)
    by_name = dataset_layouts().get(folder_names().get(folder.name, ""), "imagefolder")
    found = layout_by_signs(folder)
    if found == "tarshards" and imagefolder.has_class_folders(folder):
        return "imagefolder"  # archives that were left beside what they held
    return found or by_name


def dataset_root(spec: str) -> Path:
    """Folder that a Data SPEC names: itself, or the one below $DINOBENCH_DATA of that or another of its names.

    Raises:
        InputError: there is no such folder; says where it was looked for.
    """
    folder = user_path(spec)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(
            f"{folder} is a file; unpack it if it is an archive: --data takes a folder, a list (.csv, .json, "
            ".jsonl), a dataset's name, hf:NAME, mini or digits"
        )
    if len(folder.parts) > 1:
        raise InputError(f"no folder {folder}; check the path given as --data")
    return _below_data_variable(spec)


def _below_data_variable(name: str) -> Path:
    base = os.environ.get(DATA_VARIABLE)
    if base and (folder := data_folder(user_path(base), name)):
        return folder
    if name not in (known := {*EMBEDDED, *folder_names()}):
        raise unknown("data", name, known)
    if base is None:
        raise InputError(
            f"data '{name}' not found: set {DATA_VARIABLE} to the folder that holds {name}/, or give its path"
        )
    raise InputError(
        f"data '{name}' not found: there is no folder {Path(base) / name}; give its path, or put it there "
        f"({DATA_VARIABLE}={base})"
    )


def data_folder(base: Path, name: str) -> Path | None:
    """The folder below `base` called `name`, or by another name of that dataset (flowers-102 for flowers)."""
    others = [folder for folder, dataset in folder_names().items() if dataset == name and folder != name]
    return next((base / each for each in (name, *others) if (base / each).is_dir()), None)
