"""Images inside tar shards, read at their offset, with labels from beside them or from folders."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.layouts import tarshards
from dinobench.data.open import open_dataset
from dinobench.runtime.errors import InputError


def _png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def _shard(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_images_sizes_and_numbers_come_from_all_shards(tmp_path: Path) -> None:
    _shard(tmp_path / "train" / "0.tar", {"a.png": _png(1), "a.cls": b"10", "b.png": _png(2), "b.cls": b"2"})
    _shard(tmp_path / "train" / "1.tar", {"c.json": json.dumps({"label": 2}).encode(), "c.png": _png(3)})
    images = open_dataset(str(tmp_path), "train")
    assert images.classes == ("2", "10")
    assert images.labels.tolist() == [1, 0, 0]
    assert [images.read(index).getpixel((0, 0)) for index in range(3)] == [(1, 0, 0), (2, 0, 0), (3, 0, 0)]
    assert images.names == ("train/0.tar/a.png", "train/0.tar/b.png", "train/1.tar/c.png")
    assert images.byte_sizes().tolist() == [len(_png(value)) for value in (1, 2, 3)]


def test_folders_name_classes_the_same_in_both_splits(tmp_path: Path) -> None:
    _shard(tmp_path / "train-000.tar", {"ant/0.png": _png(0), "cow/0.png": _png(1), "bee/0.png": _png(2)})
    _shard(tmp_path / "val-000.tar", {"cow/1.png": _png(3)})
    train, val = (tarshards.open(tmp_path, split) for split in ("train", "val"))
    assert train.classes == val.classes == ("ant", "bee", "cow")
    assert val.labels.tolist() == [2]
    assert tarshards.check(tmp_path).counts["val shards"] == 1
    assert tarshards.check(tmp_path).problems == ()


def test_a_changed_shard_is_read_again(tmp_path: Path) -> None:
    _shard(tmp_path / "train.tar", {"0.png": _png(0)})
    assert len(tarshards.open(tmp_path, "train")) == 1
    (tmp_path / "train.tar").unlink()
    _shard(tmp_path / "train.tar", {"0.png": _png(0), "1.png": _png(1)})
    images = tarshards.open(tmp_path, "train")
    assert len(images) == 2
    assert not images.labeled


def test_bad_shards_are_said_in_one_line(tmp_path: Path) -> None:
    _shard(tmp_path / "mixed" / "train.tar", {"0.png": _png(0), "1.png": _png(1), "1.cls": b"4"})
    _shard(tmp_path / "empty" / "train.tar", {"readme.txt": b"nothing"})
    _shard(tmp_path / "packed" / "train.tar", {"0.png": _png(0)}, mode="w:gz")
    for folder, message in (
        ("mixed", "has no label though others have"),
        ("empty", "no images in the train shards"),
        ("packed", "uncompressed"),
        ("absent", "no train shards"),
    ):
        with pytest.raises(InputError, match=message):
            tarshards.open(tmp_path / folder, "train")


def test_a_corrupt_member_is_named_with_its_shard(tmp_path: Path) -> None:
    _shard(tmp_path / "train.tar", {"good.png": _png(0), "bad.png": b"no image"})
    images = tarshards.open(tmp_path, "train")
    assert np.asarray(images.read(0)).shape == (2, 3, 3)
    with pytest.raises(InputError, match=r"train\.tar:bad\.png"):
        images.read(1)


def test_validation_classes_that_training_lacks_are_refused(tmp_path: Path) -> None:
    _shard(tmp_path / "train.tar", {"0.png": _png(0), "0.cls": b"0", "1.png": _png(1), "1.cls": b"1"})
    _shard(tmp_path / "val.tar", {"0.png": _png(0), "0.cls": b"cat"})
    for split in ("train", "val"):
        with pytest.raises(InputError, match=r"only in train/: 0, 1; only in val/: cat"):
            tarshards.open(tmp_path, split)
    _shard(tmp_path / "val.tar", {"0.png": _png(0), "0.cls": b"1"})
    val = tarshards.open(tmp_path, "val")
    assert val.labels.tolist() == [1] and val.notes == ("val has images of 1 of the 2 classes",)


@pytest.mark.parametrize(("ending", "text"), [("txt", "cat"), ("cls", "cat"), ("json", '{"class_name": "cat"}')])
def test_labels_of_any_ending(ending: str, text: str, tmp_path: Path) -> None:
    _shard(tmp_path / "train.tar", {"0.PNG": _png(0), f"0.{ending}": text.encode()})
    assert tarshards.open(tmp_path, "train").classes == ("cat",)


def test_captions_are_no_labels_and_a_broken_label_is_named(tmp_path: Path) -> None:
    _shard(tmp_path / "train.tar", {"0.png": _png(0), "0.txt": b"a cat that sleeps on a mat"})
    assert not tarshards.open(tmp_path, "train").labeled
    _shard(tmp_path / "val.tar", {"0.png": _png(0), "0.json": b"{"})
    with pytest.raises(InputError, match=r"val\.tar:0\.json is not a label"):
        tarshards.open(tmp_path, "val")


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    for split in ("train", "val"):
        _shard(tmp_path / split / "0.tar", {"0.png": _png(1), "0.cls": b" \n"})
    with pytest.raises(InputError, match=r"0\.cls is empty, where a class is expected"):
        tarshards.open(tmp_path, "train")
