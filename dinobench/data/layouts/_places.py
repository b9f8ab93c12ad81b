"""Where a data set's splits lie below the folder that the user names, whatever people call them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dinobench.data.decode import is_image_name
from dinobench.data.layouts._walk import subfolders
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "test", "testing"),
    "test": ("test", "testing"),
}
"""What people call the folder of a split, in any case, in order of preference."""

_IMAGENET = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")  # Kaggle's archive
_ARCHIVES = (".tar", ".tgz", ".gz", ".zip", ".rar", ".7z", ".bz2", ".xz")


def split_folder(base: Path, split: str) -> str | None:
    """Name of the folder of a split in `base`, if there is one: the split's own name, or what people call it."""
    if (base / split).is_dir() and split not in ("", ".", ".."):
        return split
    by_lower = {name.lower(): name for name in reversed(subfolders(base))}
    return next((by_lower[name] for name in SPLIT_FOLDERS.get(split, ()) if name in by_lower), None)


def has_splits(base: Path) -> bool:
    """Whether `base` holds a folder of training and one of validation images."""
    return split_folder(base, "train") is not None and split_folder(base, "val") is not None


def split_base(root: Path) -> Path:
    """The folder that holds the splits: the root, or the only one below that does, at most two levels down.

    Raises:
        InputError: several do.
    """
    named = next((root / place for place in _IMAGENET if has_splits(root / place)), None)
    if named or any(split_folder(root, split) for split in ("train", "val")):
        return named or root
    level = [root]
    for _ in range(2):
        level = [folder / name for folder in level for name in subfolders(folder)]
        holding = [folder for folder in level if has_splits(folder)]
        if len(holding) > 1:
            names = first_few([str(folder.relative_to(root)) for folder in holding])
            raise InputError(f"{root} holds several data sets: {names}; give the folder of one of them")
        if holding:
            return holding[0]
    return root


def folder_with(root: Path, marks: Sequence[str]) -> Path:
    """The folder in which one of `marks` (relative paths, patterns) lies: the root, or the only one just below it.

    Where none has it, the root. A folder that is given too deep is not looked for above.

    Raises:
        InputError: several folders below have one.
    """

    def has_mark(folder: Path) -> bool:
        return any(next(folder.glob(mark), None) is not None for mark in marks)

    if has_mark(root):
        return root
    holding = [root / name for name in subfolders(root) if has_mark(root / name)]
    if len(holding) > 1:
        names = first_few([folder.name for folder in holding])
        raise InputError(f"{root} holds several data sets: {names}; give the folder of one of them")
    return holding[0] if holding else root


def archives_in(folder: Path) -> list[str]:
    """Names of the archives that lie in a folder, sorted."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _ARCHIVES and path.is_file())


def contents(folder: Path) -> str:
    """What a folder holds, for a message: its folders, archives, and how many images."""
    if not folder.is_dir():
        return "no such folder"
    folders, archives = [f"{name}/" for name in subfolders(folder)], archives_in(folder)
    images = sum(is_image_name(path.name) for path in folder.iterdir() if path.is_file())
    parts = [first_few(folders), first_few(archives), f"{images} images" if images else ""]
    return ", ".join(part for part in parts if part) or "nothing"
