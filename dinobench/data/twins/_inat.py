"""iNaturalist's twin of a year: COCO-style json lists and folders by super-category and category."""

from __future__ import annotations

import json
from pathlib import Path

from dinobench.data import mini
from dinobench.data.twins._drawing import draw_split, save_jpeg
from dinobench.runtime.files import write_text_atomically

_SIZE = 64
_SUPERCATEGORIES = ("Birds", "Insects", "Plants")


def write_year(root: Path, year: int, *, seed: int, small: bool) -> None:
    """Draw train and val of the year's competition under `root`."""
    for split in ("train", "val"):
        names, labels = [], []
        for position, (label, pixels) in enumerate(draw_split(split, len(mini.CLASSES), _SIZE, seed=seed, small=small)):
            names.append(f"train_val{year}/{_supercategory(label)}/{label}/{split}{position:06d}.jpg")
            labels.append(label)
            save_jpeg(root / names[-1], pixels)
        write_text_atomically(root / f"{split}{year}.json", json.dumps(_listing_json(year, names, labels)))


def _supercategory(label: int) -> str:
    return _SUPERCATEGORIES[label % len(_SUPERCATEGORIES)]


def _listing_json(year: int, names: list[str], labels: list[int]) -> dict[str, object]:
    return {
        "info": {"year": year, "description": "drawn twin"},
        "images": [{"id": i, "file_name": name, "height": _SIZE, "width": _SIZE} for i, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "category_id": label} for i, label in enumerate(labels)],
        "categories": [
            {"id": label, "name": name, "supercategory": _supercategory(label)}
            for label, name in enumerate(mini.CLASSES)
        ],
    }
