"""Layouts with boxes: their twins, real boxes, and annotations that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinobench.data.check import check_layout
from dinobench.data.layouts import coco20k, tiny_imagenet_boxes, voc07_boxes, voc12_boxes
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data

LAYOUTS = {
    "voc07": (voc07_boxes, "trainval", 16),
    "voc12": (voc12_boxes, "trainval", 24),
    "coco20k": (coco20k, "train", 12),
    "tiny_imagenet_boxes": (tiny_imagenet_boxes, "val", 8),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_twin_opens_and_its_boxes_lie_within(name: str, tmp_path: Path) -> None:
    layout, split, count = LAYOUTS[name]
    get_twin(name).write(tmp_path)
    assert check_layout(layout.__name__.rpartition(".")[2], tmp_path).problems == ()
    images = layout.open(tmp_path, split)
    assert len(images) == count
    for index in range(count):
        image, boxes = images.read(index), layout.object_boxes(images, index)
        assert 1 <= len(boxes) <= 3
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= [image.width, image.height]).all()


def test_real_boxes_of_tiny_imagenet() -> None:
    images = tiny_imagenet_boxes.open(shared_data("tiny-imagenet-200"), "val")
    assert len(images) == 500
    by_name = {Path(name).name: index for index, name in enumerate(images.names)}
    assert tiny_imagenet_boxes.object_boxes(images, by_name["val_1007.JPEG"]).tolist() == [[1, 23, 64, 61]]
    assert len(tiny_imagenet_boxes.open(shared_data("tiny-imagenet-200"), "train")) == 1000


def test_pixels_of_voc_are_counted_from_one(tmp_path: Path) -> None:
    get_twin("voc07").write(tmp_path)
    images = voc07_boxes.open(tmp_path, "trainval")
    path = tmp_path / "VOCdevkit/VOC2007/Annotations" / f"{Path(images.names[0]).stem}.xml"
    box = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
    path.write_text(f"<annotation><object>{box.format(1, 1, 160, 120)}</object></annotation>")
    assert voc07_boxes.object_boxes(images, 0).tolist() == [[0, 0, 160, 120]]
    for text, message in (
        ("<annotation></annotation>", None),
        ("<annotation>", "not readable XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares entities"),
        (f"<annotation><object>{box.format(9, 9, 'x', 9)}</object></annotation>", "not four numbers"),
        (f"<annotation><object>{box.format(9, 9, 3, 9)}</object></annotation>", "without extent"),
    ):
        path.write_text(text)
        if message is None:
            assert voc07_boxes.object_boxes(images, 0).shape == (0, 4)
            continue
        with pytest.raises(InputError, match=message):
            voc07_boxes.object_boxes(images, 0)


def test_both_years_may_lie_in_one_devkit(tmp_path: Path) -> None:
    for name in ("voc07", "voc12"):
        get_twin(name).write(tmp_path)
    assert (len(voc07_boxes.open(tmp_path, "trainval")), len(voc12_boxes.open(tmp_path, "trainval"))) == (16, 24)


def test_crowds_are_left_out_and_other_json_is_refused(tmp_path: Path) -> None:
    get_twin("coco20k").write(tmp_path)
    images = coco20k.open(tmp_path, "train")
    assert all((boxes[:, 3] != 40).all() for boxes in [coco20k.object_boxes(images, 0)])
    with pytest.raises(InputError, match="has no split 'val'"):
        coco20k.open(tmp_path, "val")
    coco20k._boxes_by_image.cache_clear()
    (tmp_path / "annotations" / "instances_train2014.json").write_text('{"images": []}')
    with pytest.raises(InputError, match="holds no annotations of instances"):
        coco20k.object_boxes(images, 0)


def test_a_table_with_other_columns_is_named(tmp_path: Path) -> None:
    get_twin("tiny_imagenet_boxes").write(tmp_path)
    images = tiny_imagenet_boxes.open(tmp_path, "val")
    assert isinstance(tiny_imagenet_boxes.object_boxes(images, 0), np.ndarray)
    tiny_imagenet_boxes.read_box_table.cache_clear()
    (tmp_path / "val" / "val_annotations.txt").write_text("a.JPEG\t1\t2\n")
    with pytest.raises(InputError, match=r"line 1 of .* has 3 columns where 6 are expected"):
        tiny_imagenet_boxes.object_boxes(images, 0)
    with pytest.raises(InputError, match="not for 'test'"):
        tiny_imagenet_boxes.open(tmp_path, "test")
