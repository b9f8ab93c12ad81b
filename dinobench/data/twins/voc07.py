"""VOC07's twin: photos with boxes of their objects, and a list of photos for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.layouts.voc12_classes import CLASSES
from dinobench.data.twins._boxes import draw_objects, voc_annotation
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_SIZE = 160
_COUNTS = {"trainval": 16, "test": 12}


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw VOCdevkit/VOC2007: 16 and 12 photos (ten times as many when not `small`) of one to three objects each."""
    base, rng = root / "VOCdevkit" / "VOC2007", np.random.default_rng([seed, 2007])
    first = 1
    for split, count in _COUNTS.items():
        ids = [f"{number:06d}" for number in range(first, first + (count if small else 10 * count))]
        first += len(ids)
        found = {identity: _write_photo(base, identity, rng) for identity in ids}
        lists = base / "ImageSets" / "Main"
        write_text_atomically(lists / f"{split}.txt", "\n".join(ids) + "\n")
        for label, name in enumerate(CLASSES[1:]):
            lines = [f"{identity} {1 if label in labels else -1:2d}\n" for identity, labels in found.items()]
            write_text_atomically(lists / f"{name}_{split}.txt", "".join(lines))


def _write_photo(base: Path, identity: str, rng: np.random.Generator) -> list[int]:
    pixels, mask, labels = draw_objects(rng, _SIZE)
    save_jpeg(base / "JPEGImages" / f"{identity}.jpg", pixels)
    write_text_atomically(base / "Annotations" / f"{identity}.xml", voc_annotation(identity, mask))
    return labels
