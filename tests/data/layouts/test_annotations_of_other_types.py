"""Annotation files whose parts have other types than they should: one line each."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from dinobench.data.layouts import cars, cifar, flowers, inat, revisitop
from dinobench.runtime.errors import InputError

SOUND = {"imlist": ["a"], "qimlist": ["b"], "gnd": [{"easy": [0], "hard": [], "junk": [], "bbx": [0, 0, 2, 2]}]}
JUDGED = SOUND["gnd"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"imlist": 5},
        {"imlist": "a"},
        {"qimlist": None},
        {"imlist": [1]},
        {"gnd": 7},
        {"gnd": [{**JUDGED, "easy": [[0], [0, 1]]}]},
        {"gnd": [{**JUDGED, "easy": "x"}]},
        {"gnd": [{**JUDGED, "bbx": "x"}]},
        {"gnd": [{**JUDGED, "bbx": [[0], [0, 1]]}]},
    ],
)
def test_ground_truth(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "gnd_x.pkl"
    path.write_bytes(pickle.dumps({**SOUND, **change}))
    with pytest.raises(InputError, match=r"gnd_x\\.pkl|gnd_x\.pkl"):
        revisitop.read_ground_truth(path)


@pytest.mark.parametrize("key", ["data", "labels", "filenames"])
@pytest.mark.parametrize("value", [5.5, "text", None, [[1], [1, 2]], [1.5], {"a": 1}])
def test_cifar_batches(tmp_path: Path, key: str, value: Any) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    batch = {"data": np.zeros((1, 3072), np.uint8), "labels": [0], "filenames": ["x.png"], key: value}
    (folder / "test_batch").write_bytes(pickle.dumps(batch))
    with pytest.raises(InputError, match="test_batch"):
        cifar.open(tmp_path, "val")


def test_cifar_names(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": 5}))
    with pytest.raises(InputError, match=r"batches\.meta"):
        cifar.open(tmp_path, "val")


@pytest.mark.parametrize("value", ["text", {"a": 1}, np.array(["a", "b"], dtype=object), np.ones((2, 2)), [np.nan]])
def test_flowers(tmp_path: Path, value: Any) -> None:
    scipy.io.savemat(tmp_path / "setid.mat", {"tstid": value})
    with pytest.raises(InputError, match=r"setid\.mat"):
        flowers.open(tmp_path, "val")


@pytest.mark.parametrize("fname, label", [(5, 1), ("x.jpg", "a"), ("x.jpg", np.ones((2, 2)))])
def test_cars(tmp_path: Path, fname: Any, label: Any) -> None:
    (tmp_path / "devkit").mkdir()
    scipy.io.savemat(tmp_path / "devkit/cars_meta.mat", {"class_names": np.array(["a", "b"], dtype=object)})
    fields = ("fname", "class", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
    table = np.empty(2, dtype=[(field, object) for field in fields])
    table[:] = [(fname, label, 1, 1, 2, 2)] * 2
    scipy.io.savemat(tmp_path / "cars_test_annos_withlabels.mat", {"annotations": table})
    with pytest.raises(InputError, match="cars_test_annos_withlabels"):
        cars.open(tmp_path, "val")


@pytest.mark.parametrize("identity", ["[1]", "1e400", "{}"])
def test_inat_ids(tmp_path: Path, identity: str) -> None:
    path = tmp_path / "val2019.json"
    path.write_text(
        f'{{"categories": [{{"id": {identity}, "name": "a"}}], "annotations": [{{"image_id": 1, "category_id": 1}}], '
        f'"images": [{{"id": {identity}, "file_name": "a.jpg"}}]}}'
    )
    with pytest.raises(InputError, match="COCO-style"):
        inat.read_listing(path)


def test_inat_nested_without_end(tmp_path: Path) -> None:
    path = tmp_path / "val2019.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested too deep"):
        inat.read_listing(path)
