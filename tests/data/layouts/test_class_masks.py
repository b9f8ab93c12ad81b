"""Layouts with a class for every pixel: their twins, real masks, and masks that are something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.check import check_layout
from dinobench.data.layouts import ade20k, camvid, cityscapes, voc12_classes
from dinobench.data.masks import write_labels
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data

LAYOUTS = {"camvid": camvid, "ade20k": ade20k, "cityscapes": cityscapes, "voc12_classes": voc12_classes}
CLASSES = {"camvid": 11, "ade20k": 150, "cityscapes": 19, "voc12_classes": 21}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_twin_opens_and_its_masks_fit(name: str, tmp_path: Path) -> None:
    get_twin(name.removesuffix("_classes")).write(tmp_path)
    assert check_layout(name, tmp_path).problems == ()
    seen: set[int] = set()
    for split in ("train", "val"):
        images = LAYOUTS[name].open(tmp_path, split)
        assert len(images.classes) == len(set(images.classes)) == CLASSES[name]
        for index in range(len(images)):
            labels = LAYOUTS[name].class_labels(images, index)
            assert labels.shape == images.read(index).size[::-1]
            seen |= set(np.unique(labels).tolist())
    assert 255 in seen
    assert len(seen) > 5
    assert seen - {255} <= set(range(CLASSES[name]))


def test_real_masks_of_camvid_and_voc12() -> None:
    images = camvid.open(shared_data("camvid"), "train")
    assert len(images) == 80
    found = np.unique(np.concatenate([camvid.class_labels(images, index).ravel() for index in range(20)]))
    assert found.tolist() == [*range(11), 255]
    images = voc12_classes.open(shared_data("voc12"), "val")
    assert all(set(np.unique(voc12_classes.class_labels(images, i))) & set(range(1, 21)) for i in range(3))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((90, 120), 77, dtype=np.uint8), r"holds the values 77, which stand for no class \(0 to 10 do\)"),
        (np.zeros((90, 120, 3), dtype=np.uint8), "is a RGB image; class numbers need an indexed PNG"),
    ],
)
def test_a_mask_of_colors_or_of_other_numbers_is_refused(pixels: np.ndarray, message: str, tmp_path: Path) -> None:
    get_twin("camvid").write(tmp_path)
    images = camvid.open(tmp_path, "val")
    Image.fromarray(pixels).save(tmp_path / "valannot" / "0001_00000.png")
    with pytest.raises(InputError, match=message):
        camvid.class_labels(images, 0)


def test_a_missing_mask_and_a_missing_split_are_named(tmp_path: Path) -> None:
    get_twin("camvid").write(tmp_path)
    (tmp_path / "testannot" / "0001_00002.png").unlink()
    assert any("0001_00002.png" in line for line in camvid.check(tmp_path).problems)
    with pytest.raises(InputError, match="no folder extra/"):
        camvid.open(tmp_path, "extra")


def test_own_data_name_their_classes(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (8, 6)).save(tmp_path / split / "a.png")
        write_labels(tmp_path / f"{split}annot" / "a.png", np.array([[0, 1, 255]] * 6, dtype=np.uint8))
    (tmp_path / "classes.txt").write_text("grass\ncow\n")
    images = camvid.open(tmp_path, "train")
    assert images.classes == ("grass", "cow")
    assert camvid.class_labels(images, 0)[0].tolist() == [0, 1, 255]
    (tmp_path / "classes.txt").write_text("grass\n")
    with pytest.raises(InputError, match="names 1 classes"):
        camvid.open(tmp_path, "train")


def test_names_of_ade20k_come_from_its_table(tmp_path: Path) -> None:
    get_twin("ade20k").write(tmp_path)
    assert ade20k.open(tmp_path, "val").classes[:2] == ("1", "2")
    rows = [f"{i}\t0.1\t5\t5\tscreen, thing" if i < 3 else f"{i}\t0.1\t5\t5\tname{i}, other" for i in range(1, 151)]
    table = tmp_path / "ADEChallengeData2016" / "objectInfo150.txt"
    table.write_text("\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows]))
    assert ade20k.open(tmp_path, "val").classes[:3] == ("screen 1", "screen 2", "name3")
    table.write_text("Idx\tRatio\n1\t0.2\n")
    with pytest.raises(InputError, match="names 1 classes"):
        ade20k.open(tmp_path, "val")
