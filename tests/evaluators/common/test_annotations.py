"""Other masks, depths, boxes or points under the same images are other data: the record's digests tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.cards import load_tasks
from dinobench.data.registry import get_layout, get_twin, split_opener
from dinobench.evaluators.common.layout_readers import note_annotations
from tests.evaluators.toys import context

SPLITS = {
    "seg-camvid": ("test", "masks"),
    "seg-voc12": ("val", "masks"),
    "seg-ade20k": ("val", "masks"),
    "seg-cityscapes": ("val", "masks"),
    "depth-nyu": ("val", "depth maps"),
    "depth-kitti": ("val", "depth maps"),
    "discovery-voc07": ("trainval", "boxes"),
    "discovery-voc12": ("trainval", "boxes"),
    "discovery-coco20k": ("train", "boxes"),
    "discovery-tiny": ("val", "boxes"),
    "knn-voc07": ("val", "labels"),
    "spair": ("test", "pairs"),
}
"""A split of every task whose layout has annotations beside its images, and the name that they have in the record."""


@pytest.mark.parametrize("task", SPLITS)
def test_changed_annotations_change_the_digest_and_the_images_do_not(task: str, tmp_path: Path) -> None:
    (split, role), card = SPLITS[task], load_tasks()[task]
    data = tmp_path / "data"
    get_twin(card.dataset).write(data)
    before = _digests(task, split, role, data, tmp_path)
    images = split_opener(card.layout, card.dataset)(data, split)
    path = vars(get_layout(card.layout))["annotation_files"](images)[-1]
    _change(path)
    after = _digests(task, split, role, data, tmp_path)
    assert after[split] == before[split]
    assert after[role] != before[role]


def test_every_layout_with_annotations_names_their_files() -> None:
    readers = {"class_labels", "depth_counts", "object_boxes", "keypoint_pairs", "image_labels", "posed_views"}
    lacking = [
        card.layout
        for card in load_tasks().values()
        if readers & set(vars(get_layout(card.layout))) and "annotation_files" not in vars(get_layout(card.layout))
    ]
    assert lacking == []


def _digests(task: str, split: str, role: str, data: Path, output: Path) -> dict[str, str]:
    given = context(task, load_tasks()[task].default_protocol, data, output, "random:vit_mini/8")
    note_annotations(given, role, given.dataset(split))
    return {name: manifest.sha256 for name, manifest in given.manifests.items()}


def _change(path: Path) -> None:
    """One pixel, or one character at the end."""
    if path.suffix != ".png":
        path.write_bytes(path.read_bytes() + b"\n")
        return
    with Image.open(path) as image:
        pixels, palette = np.array(image), image.getpalette()
    pixels[-1, -1] = pixels[0, 0] + 1
    changed = Image.fromarray(pixels, mode="P" if palette else None)
    if palette:
        changed.putpalette(palette)
    changed.save(path)
