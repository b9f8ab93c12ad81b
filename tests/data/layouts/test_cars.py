from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision

from dinobench.data.check import check_layout
from dinobench.data.layouts import cars
from dinobench.data.open import open_dataset
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.data.layouts.test_people_folders import folder


@pytest.mark.parametrize("where", ["real", "twin"])
def test_files_labels_and_classes_are_torchvisions(where: str, tmp_path: Path) -> None:
    root = shared_data("stanford_cars") if where == "real" else tmp_path / "stanford_cars"
    if where == "twin":
        get_twin("cars").write(root)
    for split, theirs_split in (("train", "train"), ("val", "test")):
        theirs = torchvision.datasets.StanfordCars(root.parent, split=theirs_split)
        images = cars.open(root, split)
        assert [(str(root / n), int(c)) for n, c in zip(images.names, images.labels, strict=True)] == theirs._samples
        assert list(images.classes) == theirs.classes
        assert len(images) > 0
    assert check_layout("cars", root).problems == ()


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    get_twin("cars").write(tmp_path)
    return tmp_path


def test_boxes_are_cut_out_only_when_asked_for(twin: Path) -> None:
    whole, cut = cars.open(twin, "train"), cars.open(twin, "train-cropped")
    left, top, right, bottom = 5, 5, 92, 92
    expected = np.asarray(whole.read(3))[top - 1 : bottom, left - 1 : right]
    assert np.array_equal(np.asarray(cut.read(3)), expected)
    assert whole.read(3).size == (96, 96)
    assert cut.subset([3]).read(0).size == (88, 88)


def test_a_box_beyond_its_image_is_refused() -> None:
    images = cars.open(shared_data("stanford_cars"), "train-cropped")
    with pytest.raises(InputError, match="does not fit"):
        for index in range(len(images)):
            images.read(index)


def _annotate(path: Path, rows: list[tuple[object, ...]], fields: tuple[str, ...]) -> None:
    scipy.io.savemat(path, {"annotations": np.array(rows, dtype=[(field, "O") for field in fields])})


FIELDS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")


def test_bad_annotations_are_refused(twin: Path) -> None:
    listing = twin / "cars_test_annos_withlabels.mat"
    _annotate(listing, [(1, 1, 9, 9, 197, "00001.jpg"), (1, 1, 9, 9, 1, "00002.jpg")], FIELDS)
    with pytest.raises(InputError, match="1 labels outside its 196 classes"):
        cars.open(twin, "val")
    _annotate(listing, [(1, 1, 9, 9, 1, "99999.jpg"), (1, 1, 9, 9, 1, "00002.jpg")], FIELDS)
    with pytest.raises(InputError, match=r"1 of 2 images .* missing: cars_test/99999.jpg"):
        cars.open(twin, "val")
    _annotate(listing, [(1, 1, 9, 9, "00001.jpg")], ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "fname"))
    with pytest.raises(InputError, match="lack class; the test split needs"):
        cars.open(twin, "val")
    with pytest.raises(InputError, match="unknown split"):
        cars.open(twin, "validation")


def test_a_single_annotation_is_a_list_of_one(twin: Path) -> None:
    _annotate(twin / "cars_test_annos_withlabels.mat", [(1, 1, 9, 9, 2, "00001.jpg")], FIELDS)
    assert cars.open(twin, "val").labels.tolist() == [1]


def _as_kaggle(root: Path, original: Path) -> Path:
    for name in ("cars_train", "cars_test"):
        (root / name).mkdir(parents=True)
        (original / name).rename(root / name / name)
    for path in [*(original / "devkit").iterdir(), original / "cars_test_annos_withlabels.mat"]:
        path.rename(root / path.name)
    return root


def test_a_copy_with_doubled_folders_and_loose_annotations(twin: Path, tmp_path: Path) -> None:
    expected = [cars.open(twin, split) for split in ("train", "val")]
    root = _as_kaggle(tmp_path / "archive" / "cars", twin)
    for wanted, split in zip(expected, ("train", "val"), strict=True):
        for place in (root, root.parent):  # one level above serves too
            found = open_dataset(str(place), split, "cars", "cars")
            assert found.labels.tolist() == wanted.labels.tolist() and found.classes == wanted.classes
            assert [Path(n).name for n in found.names] == [Path(n).name for n in wanted.names]
    assert cars.open(root, "train-cropped").read(0).size == (88, 88)
    (root / "cars_test_annos_withlabels.mat").unlink()
    with pytest.raises(InputError, match=r"cars_test_annos\.mat has no classes; fetch cars_test_annos_withlabels"):
        cars.open(root, "val")
    (root / "cars_meta.mat").unlink()
    with pytest.raises(InputError, match=r"no file .*cars_meta\.mat"):
        cars.open(root, "train")


def test_copies_by_class_are_class_folders(tmp_path: Path) -> None:
    kinds = ("Acura TL Sedan 2012", "BMW M3 Coupe 2012")
    names = [f"car_data/car_data/{s}/{kind}/{n}.jpg" for s in ("train", "test") for kind in kinds for n in range(2)]
    root = folder(tmp_path / "cars", *names)
    val = open_dataset(str(root), "val", "cars", "cars")
    assert val.classes == kinds and val.labels.tolist() == [0, 0, 1, 1]
    assert any("car_data/car_data/" in note for note in val.notes)
