from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image

from dinobench.data.check import check_layout
from dinobench.data.layouts import cifar
from dinobench.data.open import open_dataset
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


@pytest.fixture(params=["cifar10", "cifar100"])
def twin(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    get_twin(request.param).write(tmp_path)
    return request.param, tmp_path


@pytest.mark.parametrize("split", ["train", "val"])
def test_batches_give_the_pixels_labels_and_classes_of_torchvision(
    twin: tuple[str, Path], split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, root = twin
    theirs_class = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[name]
    monkeypatch.setattr(theirs_class, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    theirs = theirs_class(root, train=split == "train")
    ours = cifar.open(root, split)
    assert np.array_equal(ours.arrays(), theirs.data)
    assert ours.labels.tolist() == theirs.targets
    assert list(ours.classes) == theirs.classes
    assert len(set(ours.names)) == len(ours) == len(theirs)


def test_the_inner_folder_may_be_given_too(twin: tuple[str, Path]) -> None:
    _, root = twin
    inner = next(path for path in root.iterdir() if path.is_dir())
    assert cifar.open(inner, "val").names == cifar.open(root, "val").names
    assert check_layout("cifar", root).counts["train images"] == len(cifar.open(root, "train"))


def _write_parquet(path: Path, labels: list[int], label_key: str, side: int = 32) -> np.ndarray:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), side, side, 3), dtype=np.uint8)
    rows = []
    for image in pixels:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "png")
        rows.append({"bytes": stream.getvalue(), "path": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({"img": rows, label_key: labels}), path)
    return pixels


@pytest.mark.parametrize(("label_key", "classes"), [("label", 10), ("fine_label", 100)])
def test_parquet_files_are_read_in_order(tmp_path: Path, label_key: str, classes: int) -> None:
    first = _write_parquet(tmp_path / "plain_text/train-00000-of-00002.parquet", [3, 1], label_key)
    _write_parquet(tmp_path / "plain_text/train-00001-of-00002.parquet", [7], label_key)
    images = cifar.open(tmp_path, "train")
    assert images.labels.tolist() == [3, 1, 7]
    assert len(images.classes) == classes
    assert np.array_equal(np.asarray(images.read(1)), first[1])


def test_class_names_come_from_the_schema(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = [f"kind {number}" for number in range(10)]
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    image = Image.new("RGB", (32, 32), (9, 8, 7))
    datasets.Dataset.from_dict({"img": [image], "label": [4]}, features=features).to_parquet(
        tmp_path / "test-00000-of-00001.parquet"
    )
    images = cifar.open(tmp_path, "val")
    assert images.classes == tuple(names)
    assert images.read(0).getpixel((0, 0)) == (9, 8, 7)


def test_class_folders_are_read_too() -> None:
    assert len(cifar.open(shared_data("cifar10"), "val")) == 1000


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1+1",)


def _meta(folder: Path) -> None:
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a", "b"]}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(_Evil()), "eval"),
        (b"not a pickle", "test_batch"),
        (pickle.dumps([1, 2]), "no 'data'"),
        (pickle.dumps({"data": np.zeros((2, 10), np.uint8), "labels": [0, 1]}), "shape"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 5]}), "outside its 2 classes"),
        (pickle.dumps({"data": np.zeros((0, 3072), np.uint8), "labels": []}), "0 labels"),
    ],
)
def test_bad_batches_are_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    _meta(tmp_path)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        cifar.open(tmp_path, "val")
    assert "\n" not in str(caught.value)


def test_bad_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    bad = tmp_path / "test-00000-of-00001.parquet"
    bad.write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="cannot read"):
        cifar.open(tmp_path, "val")
    _write_parquet(bad, [12], "label")
    with pytest.raises(InputError, match="outside its 10 classes"):
        cifar.open(tmp_path, "val")
    _write_parquet(bad, [1], "color")
    with pytest.raises(InputError, match="fine_label or label"):
        cifar.open(tmp_path, "val")


def test_an_empty_folder_and_an_unknown_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no CIFAR under"):
        cifar.open(tmp_path, "train")
    with pytest.raises(InputError, match="unknown split"):
        cifar.open(tmp_path, "extra")
    assert len(check_layout("cifar", tmp_path).problems) == 1


def _both(root: Path) -> Path:
    for name in ("cifar10", "cifar100"):
        get_twin(name).write(root)
    return root


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_of_two_sets_in_one_root_the_wanted_one_is_opened(name: str, tmp_path: Path) -> None:
    root = _both(tmp_path / "root")
    alone = tmp_path / "alone"
    get_twin(name).write(alone)
    images, expected = open_dataset(str(root), "val", "cifar", name), cifar.open(alone, "val")
    assert images.classes == expected.classes and images.names == expected.names
    assert check_layout("cifar", root, name).counts["val classes"] == len(expected.classes)
    with pytest.raises(InputError, match="holds CIFAR-10 and CIFAR-100; give the folder of one"):
        cifar.open(root, "val")


@pytest.mark.parametrize(("held", "wanted"), [("cifar10", "cifar100"), ("cifar100", "cifar10")])
def test_the_other_set_is_refused(held: str, wanted: str, tmp_path: Path) -> None:
    get_twin(held).write(tmp_path)
    for root in (tmp_path, next(tmp_path.iterdir())):
        with pytest.raises(InputError, match=f"is wanted; unpack cifar-{wanted.removeprefix('cifar')}-"):
            open_dataset(str(root), "val", "cifar", wanted)


def test_parquet_of_both_sets_in_one_root(tmp_path: Path) -> None:
    for name, key in (("cifar10", "label"), ("cifar100", "fine_label")):
        for split in ("train", "test"):
            _write_parquet(tmp_path / name / f"{split}-00000-of-00001.parquet", [3, 1], key)
    assert len(cifar.open_one(tmp_path, "val", "cifar100").classes) == 100
    assert len(cifar.open_one(tmp_path, "val", "cifar10").classes) == 10


def test_batches_one_level_below_are_found(tmp_path: Path) -> None:
    get_twin("cifar10").write(tmp_path / "CIFAR")
    assert len(open_dataset(str(tmp_path), "val", "cifar", "cifar10").classes) == 10
