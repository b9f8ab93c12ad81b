from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision

from dinobench.data.check import check_layout
from dinobench.data.layouts import flowers
from dinobench.data.registry import get_twin
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data


def _torchvision_list(root: Path, split: str) -> list[tuple[str, int]]:
    theirs = torchvision.datasets.Flowers102(root.parent, split=split)
    return list(zip((str(path) for path in theirs._image_files), theirs._labels, strict=True))


@pytest.mark.parametrize("where", ["real", "twin"])
def test_files_and_labels_are_torchvisions(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_check_integrity", lambda self: True)
    root = shared_data("flowers-102") if where == "real" else tmp_path / "flowers-102"
    if where == "twin":
        get_twin("flowers").write(root)
    for part, theirs in (("trnid", "train"), ("valid", "val"), ("tstid", "test")):
        images = flowers.open(root, part)
        ours = [(str(root / name), int(label)) for name, label in zip(images.names, images.labels, strict=True)]
        assert ours == _torchvision_list(root, theirs)
        assert len(ours) > 0


def test_the_protocols_train_split_is_train_and_valid_together() -> None:
    root = shared_data("flowers-102")
    parts = [flowers.open(root, part) for part in ("trnid", "valid")]
    train = flowers.open(root, "train")
    assert train.names == parts[0].names + parts[1].names
    assert len(train) == 400
    assert flowers.open(root, "val").names == flowers.open(root, "tstid").names
    assert len(train.classes) == 102
    assert check_layout("flowers", root).problems == ()


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    get_twin("flowers").write(tmp_path)
    return tmp_path


def _set_ids(root: Path, **parts: list[int]) -> None:
    scipy.io.savemat(root / "setid.mat", {name: np.array(ids, dtype=np.uint16) for name, ids in parts.items()})


def test_missing_images_are_named_and_counted(twin: Path) -> None:
    (twin / "jpg/image_00001.jpg").unlink()
    (twin / "jpg/image_00003.jpg").unlink()
    with pytest.raises(InputError, match=r"2 of 192 images .* missing: jpg/image_00001.jpg, jpg/image_00003.jpg"):
        flowers.open(twin, "train")
    assert check_layout("flowers", twin).counts == {"val images": 96, "val classes": 102}


def test_bad_annotations_are_refused(twin: Path) -> None:
    _set_ids(twin, trnid=[1], valid=[])
    with pytest.raises(InputError, match="no variable 'tstid'"):
        flowers.open(twin, "val")
    with pytest.raises(InputError, match="empty split"):
        flowers.open(twin, "valid")
    _set_ids(twin, tstid=[9999])
    with pytest.raises(InputError, match=r"labels images 1\.\.288"):
        flowers.open(twin, "val")
    _set_ids(twin, tstid=[1, 2])
    scipy.io.savemat(twin / "imagelabels.mat", {"labels": np.array([103, 1], dtype=np.uint8)})
    with pytest.raises(InputError, match="1 labels outside its 102 classes, first 102"):
        flowers.open(twin, "val")


def test_other_mat_versions_and_damage_are_refused(twin: Path) -> None:
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (twin / "setid.mat").write_bytes(header + bytes(512))
    with pytest.raises(InputError, match=r"7\.3"):
        flowers.open(twin, "train")
    (twin / "setid.mat").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a readable MATLAB file"):
        flowers.open(twin, "train")
    (twin / "setid.mat").unlink()
    with pytest.raises(InputError, match="no file"):
        flowers.open(twin, "train")


def test_an_unknown_split_is_refused(twin: Path) -> None:
    with pytest.raises(InputError, match="unknown split"):
        flowers.open(twin, "extra")
