"""`--data list.csv`: labeled images as a table of paths and labels, or as COCO's json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.layouts._class_folders import fewer_classes, held_out_rows, in_order
from dinobench.data.layouts._files import refuse_missing
from dinobench.data.layouts._listed import pick_columns, read_table
from dinobench.data.layouts._places import SPLIT_FOLDERS
from dinobench.data.layouts._walk import subfolders
from dinobench.data.layouts.imagefolder import refuse_unknown_classes
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json, user_path
from dinobench.runtime.names import inside
from dinobench.runtime.text import first_few

ENDINGS = (".csv", ".tsv", ".json", ".jsonl")
_SPLIT_COLUMNS = ("split", "set", "subset", "fold")
Rows = list[Mapping[str, object]]


def is_list(spec: str) -> bool:
    """Whether a Data SPEC names a list of images: a file of one of `ENDINGS`."""
    return spec.lower().endswith(ENDINGS) and user_path(spec).is_file()


def open_list(path: Path, split: str) -> ImageSet:
    """The images of a split of a list, labels by name; their paths start where the list lies, or in a folder there.

    A column `split` tells the splits apart, or a second list of that name beside it (train.csv, val.csv); without
    either, a fifth of each class is drawn for val with seed 0.

    Raises:
        InputError: no columns of files and labels, several labels of one image, missing images, or classes in val that
            training lacks.
    """
    parts, note = _split_parts(path)
    if split not in parts:
        raise InputError(f"{path} has no images for split {split}; it has {', '.join(parts)}")
    train, chosen = parts.get("train", {}), parts[split]
    if split != "train" and train:
        refuse_unknown_classes(path, sorted(set(train.values())), sorted(set(chosen.values())))
    elif "val" in parts:
        refuse_unknown_classes(path, sorted(set(train.values())), sorted(set(parts["val"].values())))
    classes = in_order(set((train or chosen).values()))
    every = [name for part in parts.values() for name in part]
    names, base = list(chosen), _paths_root(path, every)
    refuse_missing(base, every, path)
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([index[chosen[name]] for name in names], dtype=np.int64)
    notes = (*filter(None, [note]), *fewer_classes(split, labels, classes))
    return from_files(f"{path.stem}/{split}", base, names, labels, classes, notes)


def _split_parts(path: Path) -> tuple[dict[str, dict[str, str]], str]:
    """Labels by path for each split, and the line on how the splits were told apart."""
    rows = _list_rows(path)
    column = next((name for name in _SPLIT_COLUMNS if rows and name in rows[0]), None)
    if column is not None:
        found: dict[str, Rows] = {}
        for row in rows:
            found.setdefault(_split_called(str(row[column])), []).append(row)
        return {split: pick_columns(path, part) for split, part in found.items()}, ""
    for split, other in (("train", "val"), ("val", "train")):
        beside = _list_beside(path, split, other)
        if beside is not None:
            parts = {split: pick_columns(path, rows), other: pick_columns(beside, _list_rows(beside))}
            return parts, f"{other} is the list {beside.name} beside {path.name}"
    labels = pick_columns(path, rows)
    names = list(labels)
    held = held_out_rows(list(labels.values()))
    parts = {
        split: {name: labels[name] for number, name in enumerate(names) if (number in held) == (split == "val")}
        for split in ("train", "val")
    }
    return parts, f"{path.name} tells no splits: {len(held)} of {len(names)} images are drawn for val with seed 0"


def _split_called(name: str) -> str:
    lower = name.strip().lower()
    return next((split for split, others in SPLIT_FOLDERS.items() if lower in others), lower)


def _list_beside(path: Path, split: str, other: str) -> Path | None:
    """The list of the other split: train.csv beside val.csv, instances_val2017.json beside instances_train2017.json."""
    for own in SPLIT_FOLDERS[split]:
        for name in SPLIT_FOLDERS[other] if own in path.stem.lower() else ():
            found = path.with_name(path.stem.lower().replace(own, name) + path.suffix)
            if found.is_file() and found != path:
                return found
    return None


def _list_rows(path: Path) -> Rows:
    rows = _coco_rows(path) if path.suffix.lower() == ".json" else read_table(path)
    if not rows:
        raise InputError(f"{path} lists no image; give a table with the columns path and label")
    return rows


def _coco_rows(path: Path) -> Rows:
    """A row for each image of a json in COCO's form, whose objects must all be of one category."""
    content = read_json(path)
    try:
        categories = {item["id"]: str(item["name"]) for item in content["categories"]}
        kinds: dict[object, set[str]] = {}
        for item in content["annotations"]:
            kinds.setdefault(item["image_id"], set()).add(categories[item["category_id"]])
        images = [(item["id"], str(item["file_name"])) for item in content["images"]]
        hash(tuple(number for number, _ in images))  # a list cannot number an image
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} is not a json in COCO's form: no usable {error} in it") from error
    several = [name for number, name in images if len(kinds.get(number, ())) > 1]
    if several:
        raise InputError(
            f"{path} gives {len(several)} images objects of several categories ({first_few(several)}); a score needs "
            "one label for each image"
        )
    bare = [name for number, name in images if number not in kinds]
    if bare:
        raise InputError(f"{path} has no annotation for {len(bare)} images: {first_few(bare)}; leave them out")
    return [{"path": name, "label": next(iter(kinds[number]))} for number, name in images]


def _paths_root(path: Path, names: Sequence[str]) -> Path:
    """The folder from which the paths start: the list's own, the one above, or one in them such as images/."""
    homes = [path.parent, path.parent.parent]
    folders = [*homes, *(home / name for home in homes for name in subfolders(home))]
    wanted = f"image of {path}"
    return next((folder for folder in folders if inside(folder, names[0], wanted).is_file()), path.parent)
