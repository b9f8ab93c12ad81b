"""Every Data SPEC opens or says in one line what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.open import dataset_root, layout_of, open_dataset
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


def _folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


def test_digits_are_real_and_split_by_writer() -> None:
    train, val = open_dataset("digits", "train"), open_dataset("digits", "val")
    assert (len(train), len(val)) == (1437, 360)
    assert train.read(0).size == (32, 32)
    assert set(np.unique(val.labels)) == set(range(10))
    assert not set(train.names) & set(val.names)
    with pytest.raises(InputError, match="digits has no split 'test'"):
        open_dataset("digits", "test")


def test_real_photographs_open_as_class_folders() -> None:
    images = open_dataset(str(shared_data("imagenette")), "val")
    assert (len(images), len(images.classes)) == (400, 10)
    assert images.read(399).size == (224, 224)


def test_a_name_is_found_below_the_data_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _folder(tmp_path / "imagenette", "train/a/0.png", "val/a/0.png")
    monkeypatch.setenv("DINOBENCH_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path / "imagenette")
    assert open_dataset("imagenette", "val").names == ("val/a/0.png",)
    with pytest.raises(InputError, match=r"'imagenet' not found: there is no folder .*imagenet; .*DINOBENCH_DATA="):
        open_dataset("imagenet", "val")


def test_a_dataset_is_found_in_the_folder_that_torchvision_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOBENCH_DATA", str(tmp_path))
    (tmp_path / "flowers-102").mkdir()
    assert dataset_root("flowers") == dataset_root("flowers-102") == tmp_path / "flowers-102"
    assert layout_of(str(tmp_path / "flowers-102")) == "flowers"
    (tmp_path / "flowers").mkdir()
    assert dataset_root("flowers") == tmp_path / "flowers"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("imagenet", "set DINOBENCH_DATA"),
        ("imagenett", "did you mean"),
        ("no/such/folder", "no folder no/such/folder"),
    ],
)
def test_what_is_not_there_is_said(spec: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DINOBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        open_dataset(spec, "train")


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    path.write_text("")
    with pytest.raises(InputError, match="is a file"):
        dataset_root(str(path))


def test_a_named_layout_is_used_and_a_mistyped_one_refused(tmp_path: Path) -> None:
    _folder(tmp_path, "train/a/0.png")
    assert len(open_dataset(str(tmp_path), "train", "imagefolder")) == 1
    with pytest.raises(InputError, match="imagefolder"):
        open_dataset(str(tmp_path), "train", "imagefoldr")


def test_a_folder_called_like_a_dataset_has_its_layout() -> None:
    assert layout_of("/somewhere/roxford5k") == "revisitop"
    assert layout_of("/somewhere/my-photos") == "imagefolder"


@pytest.mark.parametrize("twin", ["cars", "cifar10", "flowers", "inat19"])
def test_a_task_on_class_folders_takes_labeled_images_as_they_lie(twin: str, tmp_path: Path) -> None:
    root = tmp_path / "downloaded"
    get_twin(twin).write(root)
    assert layout_of(str(root)) == layout_of(twin)
    own, asked = open_dataset(str(root), "val", layout_of(twin)), open_dataset(str(root), "val", "imagefolder")
    assert asked.names == own.names and asked.classes == own.classes
    assert (asked.labels == own.labels).all() and asked.labeled


def test_class_folders_stay_class_folders_whatever_lies_beside_them(tmp_path: Path) -> None:
    root = _folder(tmp_path / "copydays", "train/a/0.png", "val/a/0.png")
    assert layout_of(str(root)) == "copydays"
    assert open_dataset(str(root), "train", "imagefolder").names == ("train/a/0.png",)
