"""From what the user typed to an ImageSet."""

from __future__ import annotations

import os
from pathlib import Path

from dinobench.data import digits, huggingface, mini
from dinobench.data.dataset import ImageSet
from dinobench.data.registry import dataset_layouts, folder_names, get_layout, is_labeled, layout_by_signs
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.suggest import unknown

EMBEDDED = {"mini": mini.open_mini, "digits": digits.open_digits}
DATA_VARIABLE = "DINOBENCH_DATA"


def open_dataset(spec: str, split: str, layout: str | None = None) -> ImageSet:
    """Open a split of the data that `spec` names.

    Args:
        spec: `mini`, `digits`, a folder, a dataset's name (a folder below $DINOBENCH_DATA), or `hf:NAME[/SPLIT]`.
        split: "train", "val" or "test", as the data have them.
        layout: how the folder is laid out; by default as its files or its name tell, else class folders. For
            "imagefolder" any layout of labeled images serves.

    Raises:
        InputError: nothing is there, or what is there does not fit its layout.
    """
    if spec in EMBEDDED:
        return EMBEDDED[spec](split)
    if not is_folder_spec(spec):
        return huggingface.open_hub(spec.removeprefix("hf:"), split)
    root = dataset_root(spec)
    if layout in (None, "imagefolder"):
        found = layout_of(str(root))
        # a task on class folders takes labeled images in whatever way they lie
        layout = found if layout is None or is_labeled(found) else layout
    return get_layout(layout).open(root, split)


def is_folder_spec(spec: str) -> bool:
    """Whether a Data SPEC names a folder, by its path or its name, and not embedded or `hf:` data."""
    return spec not in EMBEDDED and not spec.startswith("hf:")


def layout_of(spec: str) -> str:
    """Layout of the dataset or folder: the one whose files are there, else that of its name, else class folders."""
    folder = user_path(spec)
    dataset = folder_names().get(folder.name, "")
    return layout_by_signs(folder) or dataset_layouts().get(dataset, "imagefolder")


def dataset_root(spec: str) -> Path:
    """Folder that a Data SPEC names: itself, or the one below $DINOBENCH_DATA of that or another of its names.

    Raises:
        InputError: there is no such folder; says where it was looked for.
    """
    folder = user_path(spec)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{folder} is a file; --data takes a folder, a dataset's name, hf:NAME, mini or digits")
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
