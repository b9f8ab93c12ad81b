"""iNaturalist 2018 and 2019: image folders and COCO-style json lists."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dinobench.data.dataset import ImageSet, from_files
from dinobench.data.layouts._files import read_object, refuse_missing
from dinobench.data.layouts._places import contents, folder_with
from dinobench.runtime.errors import InputError
from dinobench.runtime.suggest import unknown

DATASETS = ("inat18", "inat19")
SIGNS = ("train20[0-9][0-9].json",)
EXPECTED_TREE = """ROOT/                        (both years may share one)
  trainYEAR.json valYEAR.json
  train_valYEAR/<supercategory>/<category>/*.jpg
YEAR is 2018 for inat18 and 2019 for inat19.
2018: 437513 train and 24426 val images, 8142 categories. 2019: 265213 and 3030, 1010 categories.
https://github.com/visipedia/inat_comp names the archives; its first links died, the AWS open-data bucket
ml-inat-competition-datasets has them."""


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The images of the one year that lies under the root; see `open_one`."""
    return open_one(root, split, "")


def open_one(root: Path, split: str, dataset: str) -> ImageSet:
    """The images of "train" or "val" of "inat18" or "inat19", in the order of the json.

    The label is the rank of the category id.

    Raises:
        InputError: no or several json lists, an unknown category or image id, or missing images.
    """
    if split not in ("train", "val"):
        raise unknown("split of iNaturalist", split, ("train", "val"))
    year = f"20{dataset[-2:]}" if dataset else r"\d{4}"
    base = folder_with(root, [f"{split}{year if dataset else '20[0-9][0-9]'}.json"])
    listing = _annotation_file(base, split, year)
    names, labels, classes = read_listing(listing)
    refuse_missing(base, names, listing)
    return from_files(f"inat{listing.stem[-2:]}/{split}", base, names, labels, classes)


def read_listing(path: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """File names, (N,) labels and class names of a COCO-style json, without looking at the images.

    Raises:
        InputError: a part is absent, or an image has no annotation, or a category is unknown.
    """
    content = read_object(path)
    try:
        categories = sorted((int(item["id"]), str(item["name"])) for item in content["categories"])
        category_of = {item["image_id"]: int(item["category_id"]) for item in content["annotations"]}
        images = [(item["id"], str(item["file_name"])) for item in content["images"]]
        labeled = [(name, category_of.get(number)) for number, name in images]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is not a COCO-style listing: no usable {error} in it; fetch it again") from error
    rank = {number: position for position, (number, _) in enumerate(categories)}
    labels = [_label_at_rank(path, name, category, rank) for name, category in labeled]
    return [name for _, name in images], np.array(labels, dtype=np.int64), [f"{i:04d} {name}" for i, name in categories]


def _label_at_rank(path: Path, name: str, category: int | None, rank: dict[int, int]) -> int:
    if category is None:
        raise InputError(f"{path} has no annotation for {name}; only the train and val lists are labeled")
    if category not in rank:
        raise InputError(f"{path} puts {name} into category {category}, outside its {len(rank)} categories")
    return rank[category]


def _annotation_file(root: Path, split: str, year: str) -> Path:
    lists = [path for path in sorted(root.glob(f"{split}*.json")) if re.fullmatch(rf"{split}\d{{4}}", path.stem)]
    found = [path for path in lists if re.fullmatch(f"{split}{year}", path.stem)]
    if len(found) != 1:
        held = ", ".join(path.name for path in lists) or f"no {split}YEAR.json ({contents(root)})"
        wanted = f"{split}{year}.json" if year.isdecimal() else f"one list such as {split}2019.json"
        raise InputError(f"{root} must hold {wanted} but holds {held}; name the year's data set or give its folder")
    return found[0]
