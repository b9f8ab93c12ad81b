"""Class folders as torchvision reads them, and every way in which they can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from dinobench.data.check import check_layout
from dinobench.data.layouts import imagefolder
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


def _images(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


@pytest.mark.parametrize("folder", ["imagenette", "cifar10"])
def test_files_and_labels_equal_torchvisions(folder: str) -> None:
    root = shared_data(folder)
    for split in ("train", "val"):
        ours, theirs = imagefolder.open(root, split), ImageFolder(root / split)
        assert [
            (str(root / name), label) for name, label in zip(ours.names, ours.labels, strict=True)
        ] == theirs.samples
        assert list(ours.classes) == theirs.classes


def test_nested_folders_follow_torchvisions_order(tmp_path: Path) -> None:
    names = ("train/b/1.png", "train/b/0.png", "train/a/z.png", "train/a/deep/a.png", "train/a/deep/er/b.PNG")
    _images(tmp_path, *names)
    (tmp_path / "train" / "a" / "notes.txt").write_text("not an image")
    ours, theirs = imagefolder.open(tmp_path, "train"), ImageFolder(tmp_path / "train")
    assert [str(tmp_path / name) for name in ours.names] == [path for path, _ in theirs.samples]


def test_without_classes_train_is_every_image_below(tmp_path: Path) -> None:
    _images(tmp_path, "0.png", "deep/er/1.png")
    images = imagefolder.open(tmp_path, "train")
    assert images.names == ("0.png", "deep/er/1.png")
    assert images.classes == ()
    assert not images.labeled
    with pytest.raises(InputError, match="no class folders in val/"):
        imagefolder.open(tmp_path, "val")


def test_a_flat_train_folder_is_unlabeled(tmp_path: Path) -> None:
    _images(tmp_path, "train/0.png", "train/1.png")
    images = imagefolder.open(tmp_path, "train")
    assert len(images) == 2
    assert not images.labeled


@pytest.mark.parametrize("split", ["train", "val"])
def test_differing_classes_are_named(tmp_path: Path, split: str) -> None:
    _images(tmp_path, "train/cat/0.png", "train/dog/0.png", "val/cat/0.png", "val/emu/0.png")
    with pytest.raises(InputError) as caught:
        imagefolder.open(tmp_path, split)
    message = str(caught.value)
    assert "only in train/: dog" in message
    assert "only in val/: emu" in message
    assert str(tmp_path) in message


def test_missing_and_empty_folders_show_the_expected_tree(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "train" / "cat").mkdir(parents=True)
    for folder, problem in (
        ("gone", "no such folder"),
        ("empty", "no images"),
        ("hollow", "train/cat holds no images"),
    ):
        with pytest.raises(InputError, match=problem) as caught:
            imagefolder.open(tmp_path / folder, "train")
        assert "{train,val}/<class>/*.jpg" in str(caught.value)


def test_check_counts_and_reports(tmp_path: Path) -> None:
    _images(tmp_path, "train/cat/0.png", "train/cat/1.png")
    findings = check_layout("imagefolder", tmp_path)
    assert findings.counts == {"train images": 2, "train classes": 1}
    assert len(findings.files) == 2
    assert len(findings.problems) == 1
    _images(tmp_path, "val/cat/0.png")
    assert check_layout("imagefolder", tmp_path).problems == ()
