"""ObjectNet's twin: drawn images by its own labels, with the mappings of its archive; one label is not ImageNet's."""

from __future__ import annotations

import json
from pathlib import Path

from dinobench.data import mini
from dinobench.data.twins._siblings import draw_test_set, row_of
from dinobench.runtime.files import write_text_atomically

_UNKNOWN = len(mini.CLASSES) - 1  # this class is not one of ImageNet's here


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 3 images of each class (50 when not `small`)."""
    draw_test_set(root / "images", seed + 4, small, _folder_of)
    known = range(_UNKNOWN)
    folders = {_folder_of(label): _title_of(label) for label in range(len(mini.CLASSES))}
    texts = {
        "folder_to_objectnet_label.json": json.dumps(folders),
        "objectnet_to_imagenet_1k.json": json.dumps({_title_of(label): mini.CLASSES[label] for label in known}),
        "imagenet_to_label_2012_v2": "".join(f"{name}\n" for name in mini.CLASSES[:_UNKNOWN]),
        "pytorch_to_imagenet_2012_id.json": json.dumps({str(row_of(label)): label for label in known}),
    }
    for name, text in texts.items():
        write_text_atomically(root / "mappings" / name, text)


def _folder_of(label: int) -> str:
    return mini.CLASSES[label].replace(" ", "_")


def _title_of(label: int) -> str:
    return mini.CLASSES[label].capitalize()
