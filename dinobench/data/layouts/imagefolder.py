"""{train,val}/<class>/* as ImageNet lies on disk; or, for training only, any folder of images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.decode import is_image_name
from dinobench.data.layouts._class_folders import (
    LabeledFiles,
    class_names,
    fewer_classes,
    held_out_rows,
    is_listed,
    labeled_files,
)
from dinobench.data.layouts._places import archives_in, contents, has_splits, split_base, split_folder
from dinobench.data.layouts._walk import Walk, subfolders
from dinobench.runtime.errors import InputError
from dinobench.runtime.text import first_few

_IMAGENET, _WNID = 1000, re.compile(r"n\d{8}")
DATASETS = ("imagenet", "imagenette", "imagenet100", "tiny-imagenet")
FOLDERS = {"tiny-imagenet-200": "tiny-imagenet"}
EXPECTED_TREE = """ROOT/
  train/<class>/*.jpg    one folder per class, any depth below it
  val/<class>/*.jpg      the same classes or some of them; also valid/, validation/ or test/
Flat val/ images are taken where their labels lie beside: ImageNet's LOC_val_solution.csv (Kaggle's archive, whose
ILSVRC/Data/CLS-LOC is found) or ILSVRC2012_devkit_t12/, Tiny-ImageNet's val_annotations.txt, metadata.csv or .jsonl.
Class folders in ROOT itself, without splits: a fifth of each class is drawn for val with seed 0.
Where a class has no image files, .npy arrays (height, width, channels) of 8 or 16 bits are taken.
ImageNet: https://image-net.org/download (accept the terms; move the validation images into class folders).
Training alone also takes any folder of images, without classes, searched at any depth."""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of ROOT/<split>, classes by folder name.

    Without class folders, split "train" gives every image below ROOT/train or ROOT, unlabeled.

    Raises:
        InputError: a missing or empty folder, an empty class, or classes in val that train lacks.
    """
    base = _base_folder(root)
    folder = split_folder(base, split)
    if folder is None:
        return _without_split(root, base, split)
    found = labeled_files(base, folder, _list_places(root, base))
    if found is None:
        if split != "train" or split_folder(base, "val") is not None:
            raise _flat_error(root, base, folder)
        return _unlabeled_images(root, base, folder)
    found = _with_wnids(found, _training_classes(root, base))
    classes = _common_classes(root, base, folder, found)
    notes = [*_place_notes(root, base, folder, split), *found.notes]
    return _image_set(root, base, split, found, classes, notes)


def training(root: Path) -> ImageSet:
    """Every image of the training folder, or of ROOT where there is none: labeled only if all are in class folders.

    Raises:
        InputError: there is no such folder, or no image in it.
    """
    base = _base_folder(root)
    folder = split_folder(base, "train")
    place = folder or "."
    walk = Walk(base, place)
    names = walk.images(place)
    kept = [name for name, keep in zip(names, walk.once(names), strict=True) if keep]
    if folder is not None:
        labeled = _labeled_training(root)
        if labeled is not None and len(labeled) == len(kept):
            return labeled
    if not kept:
        raise _no_images(root, f"there are no images in it; it holds {contents(base / place)}")
    notes = [f"training on all {len(kept)} images below {base / place}, in any folder", *walk.notes()]
    return from_files(root.resolve().name, base, kept, [UNLABELED] * len(kept), (), notes)


def all_images(root: Path) -> ImageSet:
    """Every image below a folder, sorted by path, whatever its sub-folders are; without labels.

    Raises:
        InputError: there is no such folder, or no image in it.
    """
    return _unlabeled_images(root, root, ".")


def has_class_folders(root: Path) -> bool:
    """Whether the training folder holds folders of images."""
    try:
        base = split_base(root)
    except InputError:
        return False
    folder = split_folder(base, "train") or split_folder(base, "val")
    return folder is not None and any(
        Walk(base, folder).images(f"{folder}/{name}") for name in subfolders(base / folder)
    )


def _labeled_training(root: Path) -> ImageSet | None:
    try:
        images = open(root, "train")
    except InputError:
        return None  # training needs no labels: what is wrong with classes does not matter
    return images if images.labeled else None


def _base_folder(root: Path) -> Path:
    if not root.is_dir():
        raise _no_images(root, "there is no such folder")
    return split_base(root)


def _list_places(root: Path, base: Path) -> list[Path]:
    """Folders in which ImageNet's lists may lie: from the splits' folder up to the root."""
    return [base, *(place for place in base.parents if place == root or root in place.parents)]


def _image_set(
    root: Path, base: Path, split: str, found: LabeledFiles, classes: Sequence[str], notes: Sequence[str]
) -> ImageSet:
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([index[kind] for kind in found.kinds], dtype=np.int64)
    notes = (*notes, *fewer_classes(split, labels, classes))
    return from_files(f"{root.resolve().name}/{split}", base, found.names, labels, classes, notes)


def _common_classes(root: Path, base: Path, folder: str, found: LabeledFiles) -> tuple[str, ...]:
    """Classes of training, which both splits are labeled by; of the split itself where there is no training.

    Raises:
        InputError: validation has a class that training lacks.
    """
    places, train = _list_places(root, base), _training_classes(root, base)
    if not train:
        return class_names(base, folder, places)
    training_folder = split_folder(base, "train") or "train"
    if folder != training_folder:
        refuse_unknown_classes(root, train, sorted(set(found.kinds)), training_folder, folder)
    elif tested := split_folder(base, "val"):
        others = class_names(base, tested, places)
        others = others if _are_places(others, train) is None else ()
        refuse_unknown_classes(root, train, others, training_folder, tested)
    return train


def _training_classes(root: Path, base: Path) -> tuple[str, ...]:
    folder = split_folder(base, "train")
    return class_names(base, folder, _list_places(root, base)) if folder else ()


def _are_places(kinds: Sequence[str], train: Sequence[str]) -> dict[str, str] | None:
    """ImageNet-V2's folders 0 to 999: the class of each number, by its place in the sorted list of the thousand."""
    whole = len(train) == _IMAGENET and all(_WNID.fullmatch(name) for name in train)
    if not whole or not kinds or not all(kind.isdecimal() and int(kind) < _IMAGENET for kind in kinds):
        return None
    return {kind: sorted(train)[int(kind)] for kind in set(kinds)}


def _with_wnids(found: LabeledFiles, train: Sequence[str]) -> LabeledFiles:
    classes = _are_places(found.kinds, train)
    if classes is None:
        return found
    note = "class folders are numbers, taken for places in the sorted list of ImageNet's classes (0 is the first)"
    return LabeledFiles(found.names, tuple(classes[kind] for kind in found.kinds), (note, *found.notes))


def refuse_unknown_classes(
    where: Path | str, train: Sequence[str], val: Sequence[str], train_name: str = "train", val_name: str = "val"
) -> None:
    """InputError where validation has classes that training lacks; fewer are fine.

    Args:
        where: the data, for the message.
        train: classes of training.
        val: classes of validation.
        train_name: what the training split is called.
        val_name: what the validation split is called.
    """
    if not set(val) - set(train):
        return
    sides = ((train_name, set(train) - set(val)), (val_name, set(val) - set(train)))
    differences = [f"only in {side}/: {first_few(sorted(names), 5)}" for side, names in sides if names]
    raise InputError(
        f"classes of {where} differ between {train_name} and {val_name} ({'; '.join(differences)}); make them equal"
    )


def _place_notes(root: Path, base: Path, folder: str, split: str) -> list[str]:
    notes = [f"the splits lie in {base.relative_to(root)}/"] if base != root else []
    if folder != split:
        notes.append(f"{split} is the folder {folder}/")
    archives = archives_in(root)
    return notes + ([f"archives in {root} are not read: {first_few(archives)}"] if archives else [])


def _without_split(root: Path, base: Path, split: str) -> ImageSet:
    """Class folders without splits, divided here; else for training every image, unlabeled."""
    own = {split_folder(base, "train"), split_folder(base, "val")} - {None}
    if has_splits(root.parent) and split_folder(root.parent, "train") == root.name:
        raise _no_images(root, f"it is the training part of a data set; give {root.parent}")
    if not own and (is_listed(root) or _is_classes(root)):
        return _drawn_split(root, split)
    if split == "train" and not own:
        return _unlabeled_images(root, base, ".")
    raise _no_images(root, f"there are no class folders in {split}/; it holds {contents(base)}")


def _is_classes(root: Path) -> bool:
    """Whether all images lie in two or more folders of the root."""
    folders = subfolders(root)
    beside = any(is_image_name(path.name) for path in root.iterdir() if path.is_file())
    return len(folders) > 1 and not beside and all(Walk(root, name).images(name) for name in folders)


def _drawn_split(root: Path, split: str) -> ImageSet:
    """One image in five of each class, drawn with seed 0, for "val"; the others for "train"; every image for "all"."""
    if split not in ("train", "val", "all"):
        raise _no_images(root, f"there is no folder {split}/; it holds {contents(root)}")
    found = labeled_files(root, ".", ())
    assert found is not None  # `_is_classes` has seen the folders
    if split == "all":
        return _image_set(root, root, split, found, class_names(root, ".", ()), found.notes)
    held, kinds = held_out_rows(found.kinds), found.kinds
    chosen = [row for row in range(len(kinds)) if (row in held) == (split == "val")]
    part = LabeledFiles(tuple(found.names[row] for row in chosen), tuple(kinds[row] for row in chosen), ())
    note = (
        f"{root} has no train/ and val/: {len(held)} of {len(kinds)} images, a fifth of each class, are drawn for val "
        "with seed 0; k-NN takes all, each by the others, with --set leave_one_out=true --set train_split=all"
    )
    return _image_set(root, root, split, part, class_names(root, ".", ()), [note, *found.notes])


def _unlabeled_images(root: Path, base: Path, folder: str) -> ImageSet:
    walk = Walk(base, folder)
    names = walk.images(folder)
    kept = [name for name, keep in zip(names, walk.once(names), strict=True) if keep]
    if not kept:
        raise _no_images(root, f"there are no images in it; it holds {contents(base / folder)}")
    return from_files(root.resolve().name, base, kept, [UNLABELED] * len(kept), (), walk.notes())


def _flat_error(root: Path, base: Path, folder: str) -> InputError:
    """The line for a split without class folders: what it holds and what to do."""
    place = base / folder
    images = sum(is_image_name(path.name) for path in place.iterdir())
    archives = archives_in(place)
    if images:
        remedy = f"move each into {place}/<class>/"
        if any(path.name.startswith("ILSVRC2012_val_") for path in place.iterdir()):
            remedy += f", or put LOC_val_solution.csv or ILSVRC2012_devkit_t12/ into {root}"
        return _no_images(root, f"there are no class folders in {folder}/ but {images} images; {remedy}")
    if archives:
        return _no_images(
            root, f"there are no class folders in {folder}/ but archives ({first_few(archives)}); unpack each"
        )
    return _no_images(root, f"there are no class folders in {folder}/; it holds {contents(place)}")


def _no_images(root: Path, problem: str) -> InputError:
    return InputError(f"cannot use {root} as images: {problem}; expected {root}/{{train,val}}/<class>/*.jpg")
