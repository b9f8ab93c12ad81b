"""VOC12's twin: photos with object and class masks, void along the outlines, and boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dinobench.data import mini
from dinobench.data.masks import VOID, Labels, write_labels
from dinobench.data.twins._boxes import voc_annotation
from dinobench.data.twins._drawing import save_jpeg
from dinobench.runtime.files import write_text_atomically

_SIZE = 240


def write(root: Path, *, seed: int = 0, small: bool = True) -> None:
    """Draw VOCdevkit/VOC2012: 12 images a split (120 when not `small`) of one to three objects each."""
    base = root / "VOCdevkit" / "VOC2012"
    rng = np.random.default_rng([seed, 2012])
    everyone: list[str] = []
    for split in ("train", "val"):
        ids = [f"{2007 if split == 'train' else 2008}_{number:06d}" for number in range(12 if small else 120)]
        for identity in ids:
            _write_image(base, identity, rng)
        write_text_atomically(base / "ImageSets" / "Segmentation" / f"{split}.txt", "\n".join(ids) + "\n")
        everyone += ids
    write_text_atomically(base / "ImageSets" / "Main" / "trainval.txt", "\n".join(everyone) + "\n")


def _write_image(base: Path, identity: str, rng: np.random.Generator) -> None:
    """One image with at least one object in sight, and its two masks."""
    mask: Labels = np.zeros((_SIZE, _SIZE), dtype=np.uint8)
    while not mask.any():
        labels = rng.integers(0, len(mini.CLASSES), rng.integers(1, 4))
        pixels, mask = mini.draw_with_masks(labels.tolist(), rng, _SIZE)
    height = int(rng.integers(_SIZE * 3 // 4, _SIZE + 1))
    pixels, mask = pixels[:height], mask[:height]
    classes = np.concatenate([[0], labels + 1]).astype(np.uint8)[mask]  # class 0 is the background
    outline = _label_outline(mask)
    write_text_atomically(base / "Annotations" / f"{identity}.xml", voc_annotation(identity, mask))
    save_jpeg(base / "JPEGImages" / f"{identity}.jpg", pixels)
    write_labels(base / "SegmentationObject" / f"{identity}.png", np.where(outline, VOID, mask).astype(np.uint8))
    write_labels(base / "SegmentationClass" / f"{identity}.png", np.where(outline, VOID, classes).astype(np.uint8))


def _label_outline(mask: Labels) -> NDArray[np.bool_]:
    """Pixels within two of a change of label, which VOC leaves unlabeled."""
    image = Image.fromarray(mask)
    widest, narrowest = (np.asarray(image.filter(f(5))) for f in (ImageFilter.MaxFilter, ImageFilter.MinFilter))
    changes: NDArray[np.bool_] = widest != narrowest
    return changes
