"""VOC07's twin: photos with boxes of their objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinobench.data.twins._boxes import draw_objects, voc_annotation
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_SIZE = 160


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw VOCdevkit/VOC2007: 16 photos (160 when not `small`) of one to three objects each."""
    base, rng = root / "VOCdevkit" / "VOC2007", np.random.default_rng([seed, 2007])
    ids = [f"{number:06d}" for number in range(1, 17 if small else 161)]
    for identity in ids:
        pixels, mask = draw_objects(rng, _SIZE)
        save_jpeg(base / "JPEGImages" / f"{identity}.jpg", pixels)
        write_text_atomically(base / "Annotations" / f"{identity}.xml", voc_annotation(identity, mask))
    write_text_atomically(base / "ImageSets" / "Main" / "trainval.txt", "\n".join(ids) + "\n")
