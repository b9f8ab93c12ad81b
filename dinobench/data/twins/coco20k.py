"""COCO20k's twin: photos listed by name, and one JSON with the boxes of their objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dinobench.data.twins._boxes import boxes_of, draw_objects
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_SIZE = 160


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw 12 photos (120 when not `small`) of one to three objects each, with a crowd in the first."""
    rng, names, annotations = np.random.default_rng([seed, 2014]), [], []
    for number in range(1, 13 if small else 121):
        pixels, mask, _ = draw_objects(rng, _SIZE)
        names.append(f"COCO_train2014_{number:012d}.jpg")
        save_jpeg(root / "train2014" / names[-1], pixels)
        boxes = [(box, 0) for box in boxes_of(mask)] + ([((0, 0, _SIZE, 40), 1)] if number == 1 else [])
        annotations += [
            {"image_id": number, "category_id": 1, "iscrowd": crowd, "bbox": [left, top, right - left, bottom - top]}
            for (left, top, right, bottom), crowd in boxes
        ]
    content = {"images": [], "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    write_text_atomically(root / "annotations" / "instances_train2014.json", json.dumps(content))
    write_text_atomically(root / "coco_20k_filenames.txt", "\n".join(names) + "\n")
