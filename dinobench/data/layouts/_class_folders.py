"""One split of class folders, or of a flat folder with a list of labels: its images and their class names."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from dinobench.data.decode import is_image_name
from dinobench.data.layouts._listed import label_of, listed_labels
from dinobench.data.layouts._places import archives_in
from dinobench.data.layouts._walk import Walk, subfolders
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

_HELD_OUT = 5


@dataclass(frozen=True)
class LabeledFiles:
    """Images of one split.

    Attributes:
        names: paths relative to the folder that holds the splits.
        kinds: class name of each image.
        notes: what was left out or assumed.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    notes: tuple[str, ...]


def class_name(folder: str) -> str:
    """The name of a class: the folder's, with accents in one form (NFC), as it may come from a Mac or from Linux."""
    return unicodedata.normalize("NFC", folder)


def class_names(base: Path, folder: str, roots: Sequence[Path]) -> tuple[str, ...]:
    """Classes of a split in torchvision's order, listed numbers in their own; none where nothing labels it."""
    listed = _flat_folder_list(base, folder, roots)
    if listed is None:
        return tuple(dict.fromkeys(class_name(name) for name in subfolders(base / folder)))
    return in_order(set(listed[0].values()))


def in_order(kinds: Collection[str]) -> tuple[str, ...]:
    """Class names from a list: sorted, numbers of up to 18 digits by their value."""
    numbers = all(kind.isdecimal() and len(kind) <= 18 for kind in kinds)
    return tuple(sorted(kinds, key=int) if numbers else sorted(kinds))


def fewer_classes(split: str, labels: NDArray[np.int64], classes: Sequence[str]) -> tuple[str, ...]:
    """A line where a split has images of fewer classes than there are; labels of -1 are none."""
    present = len(set(labels.tolist()) - {-1})
    return (f"{split} has images of {present} of the {len(classes)} classes",) if 0 < present < len(classes) else ()


def held_out_rows(kinds: Sequence[str]) -> set[int]:
    """A fifth of each class, drawn with seed 0, at least one image of two or more; for data without splits."""
    rng = np.random.default_rng(0)
    held: set[int] = set()
    of = np.array(kinds)
    for kind in sorted(set(kinds)):
        rows = rng.permutation(np.flatnonzero(of == kind))
        held |= set(rows[: max(len(rows) // _HELD_OUT, int(len(rows) > 1))].tolist())
    return held


def labeled_files(base: Path, folder: str, roots: Sequence[Path]) -> LabeledFiles | None:
    """The images of a split with their classes; None where neither folders nor a list tell classes.

    Raises:
        InputError: a class folder without images, an image that the list does not name, or class archives that are
            not unpacked.
    """
    listed = _flat_folder_list(base, folder, roots)
    if listed is not None:
        return _from_list(base, folder, *listed)
    folders = subfolders(base / folder)
    return _from_folders(base, folder, folders) if folders else None


def is_listed(root: Path) -> bool:
    """Whether a list beside the images of a folder without classes gives their labels."""
    return _flat_folder_list(root, ".", ()) is not None


def _flat_folder_list(base: Path, folder: str, roots: Sequence[Path]) -> tuple[dict[str, str], Path] | None:
    """The list of a flat folder, whose images lie in it or in one folder called images; class folders need none."""
    if set(subfolders(base / folder)) - {"images"}:
        return None
    found = listed_labels(base / folder, roots)
    return None if found is None else ({path: class_name(kind) for path, kind in found[0].items()}, found[1])


def _from_list(base: Path, folder: str, labels: dict[str, str], listing: Path) -> LabeledFiles:
    walk = Walk(base, folder)
    names = walk.images(folder)
    kinds = [label_of(labels, str(PurePosixPath(name).relative_to(folder))) for name in names]
    unnamed = [name for name, kind in zip(names, kinds, strict=True) if kind is None]
    if unnamed:
        raise InputError(
            f"{listing} has no label for {len(unnamed)} of {len(names)} images in {base / folder}: {first_few(unnamed)}"
        )
    if len(labels) > len(names):
        raise InputError(
            f"{listing} labels {len(labels)} images, but {base / folder} holds {len(names)}; unpack the images again"
        )
    note = f"labels of {folder}/ are taken from {listing.name}"
    return LabeledFiles(tuple(names), tuple(kind for kind in kinds if kind is not None), (note, *walk.notes()))


def _from_folders(base: Path, folder: str, folders: Sequence[str]) -> LabeledFiles:
    walk = Walk(base, folder)
    found = {kind: walk.images(f"{folder}/{kind}") for kind in folders}
    empty = [kind for kind, names in found.items() if not names]
    if empty:
        raise _empty_class(base, f"{folder}/{empty[0]}", walk)
    names = [name for kind in folders for name in found[kind]]
    kinds = [class_name(kind) for kind in folders for _ in found[kind]]
    kept = walk.once(names)
    notes = [*_files_in_no_class(base, folder), *_nested_line(found, folder), *_two_forms(folders), *walk.notes()]
    return LabeledFiles(
        tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        tuple(kind for kind, keep in zip(kinds, kept, strict=True) if keep),
        tuple(notes),
    )


def _empty_class(base: Path, folder: str, walk: Walk) -> InputError:
    held = [path.name for path in sorted((base / folder).iterdir())]
    why = f"; it holds {first_few(held)}" if held else ""
    if folder in walk.links:
        why = "; it is a link to a folder that is read already"
    elif any(name.startswith(f"{folder}/") for name in walk.bare):
        why += ": files without an ending; add .jpg or .png to their names"
    return InputError(f"class folder {folder} holds no images{why}; {base} needs {{train,val}}/<class>/*.jpg")


def _files_in_no_class(base: Path, folder: str) -> list[str]:
    """What lies in the split's folder itself, in no class."""
    images = sum(is_image_name(path.name) for path in (base / folder).iterdir())
    archives = archives_in(base / folder)
    lines = [f"{images} images lie in {folder}/ itself, in no class folder: they are left out"] if images else []
    return lines + ([f"archives in {folder}/ are not read: {first_few(archives)}"] if archives else [])


def _nested_line(found: dict[str, list[str]], folder: str) -> list[str]:
    """A line, or InputError, where the folders of a split look like shelves for the folders of the classes."""
    below = {
        kind: {PurePosixPath(name).parts[len(PurePosixPath(folder, kind).parts)] for name in names}
        for kind, names in found.items()
    }
    shelves = [
        kind for kind, inner in below.items() if len(inner) > 1 and not any(is_image_name(each) for each in inner)
    ]
    repeated = sum(len(inner) for inner in below.values()) > len(set().union(*below.values()))
    if not shelves or (repeated and len(below) > 1):
        return []
    example = f"{shelves[0]}/{min(below[shelves[0]])}"
    if all(len(kind) == 1 for kind in below):
        raise InputError(
            f"the folders of {folder}/ are letters that hold folders ({example}): classes lie one level deeper; "
            f"move them up, as {folder}/{min(below[shelves[0]])}"
        )
    return [
        f"{len(below)} classes are the folders of {folder}/, whose images lie in folders of their own, such as "
        f"{example}; if those are the classes, move them up to {folder}/"
    ]


def _two_forms(folders: Sequence[str]) -> list[str]:
    twice = sorted({class_name(name) for name in folders if class_name(name) != name} & set(folders))
    line = f"folders whose names differ only in how accents are written are one class: {first_few(twice)}"
    return [line] if twice else []
