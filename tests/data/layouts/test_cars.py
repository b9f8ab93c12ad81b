from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision

from dinobench.data.check import check_layout
from dinobench.data.layouts import cars
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


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
