"""Places205 as its two archives unpack, and one step left out at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dinobench.data.check import check_layout
from dinobench.data.layouts import places205
from dinobench.data.open import layout_of, open_dataset, open_training
from dinobench.runtime.errors import InputError
from tests.data.layouts.test_people_folders import folder

KINDS = ("a/abbey", "a/airport", "b/bar/inside")


def unpacked(root: Path, images: str = "images256") -> Path:
    names = [f"{kind}/gsun_{split}{n}.jpg" for split in ("train", "val") for kind in KINDS for n in range(2)]
    folder(root, *(f"{images}/{name}" for name in names))
    (root / "trainvalsplit_places205").mkdir()
    for split in ("train", "val"):
        rows = [f"{name} {KINDS.index(name.rpartition('/')[0]) * 10}" for name in names if f"gsun_{split}" in name]
        (root / "trainvalsplit_places205" / f"{split}_places205.csv").write_text("\r\n".join(rows) + "\r\n")
    return root


@pytest.mark.parametrize("images", ["images256", "data/vision/torralba/deeplearning/images256"])
def test_it_opens_as_unpacked(images: str, tmp_path: Path) -> None:
    root = unpacked(tmp_path, images)
    assert layout_of(str(root)) == layout_of("places205") == "places205"
    train, val = (open_dataset(str(root), split, "imagefolder", "places205") for split in ("train", "val"))
    assert train.classes == val.classes == KINDS
    assert val.labels.tolist() == [0, 0, 1, 1, 2, 2] and len(train) == 6
    assert check_layout("places205", root, "places205").problems == ()
    assert len(open_training(str(root))) == 6


def test_each_missing_step_is_named(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    (root / "images256/a/abbey/gsun_val0.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 6 images .*val_places205\.csv are missing: a/abbey/gsun_val0"):
        places205.open(root, "val")
    shutil.rmtree(root / "images256")
    with pytest.raises(InputError, match=r"no images256/a/abbey/.*unpack imagesPlaces205_resize\.tar\.gz"):
        places205.open(root, "val")
    shutil.rmtree(root / "trainvalsplit_places205")
    with pytest.raises(InputError, match=r"no train_places205\.csv but nothing; unpack trainvalsplit_places205"):
        places205.open(root, "train")


def test_class_folders_of_the_name_serve(tmp_path: Path) -> None:
    root = folder(tmp_path / "places205", "train/abbey/0.jpg", "train/bar/0.jpg", "val/abbey/0.jpg", "val/bar/0.jpg")
    assert open_dataset(str(root), "val", "imagefolder").classes == ("abbey", "bar")
    assert len(open_training(str(root))) == 2


def test_a_bad_line_is_refused(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    (root / "trainvalsplit_places205" / "val_places205.csv").write_text("a/abbey/gsun_val0.jpg\n")
    with pytest.raises(InputError, match="not a path and class number"):
        places205.open(root, "val")
