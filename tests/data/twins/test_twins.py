"""Every twin lies as its layout expects, is the same for the same seed, and opens."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.check import check_layout
from dinobench.data.decode import read_rgb
from dinobench.data.layouts import davis, imagefolder, revisitop, voc12
from dinobench.data.masks import VOID, palette, read_labels
from dinobench.data.twins import copydays as copydays_twin
from dinobench.data.twins import davis as davis_twin
from dinobench.data.twins import imagenet, roxford5k
from dinobench.data.twins import voc12 as voc12_twin
from dinobench.data.twins._drawing import few_images


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def test_the_seed_fixes_every_byte(tmp_path: Path) -> None:
    for folder, seed in (("one", 3), ("two", 3), ("other", 4)):
        roxford5k.write(tmp_path / folder, seed=seed)
    assert _digest(tmp_path / "one") == _digest(tmp_path / "two") != _digest(tmp_path / "other")


def test_imagenet_has_the_same_wnids_in_both_splits(tmp_path: Path) -> None:
    imagenet.write(tmp_path)
    findings = check_layout("imagefolder", tmp_path)
    assert findings.problems == ()
    assert findings.counts == {"train images": 192, "train classes": 16, "val images": 96, "val classes": 16}
    images = imagefolder.open(tmp_path, "val")
    assert all(name.endswith(".JPEG") for name in images.names)
    assert len({images.read(index).size for index in range(0, 96, 7)}) > 3


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("davis")
    davis_twin.write(root, height=120)
    return root


def test_davis_reads_as_davis(video: Path) -> None:
    findings = davis.check(video)
    assert findings.problems == ()
    assert findings.counts["val sequences"] == 3
    with Image.open(video / "Annotations/480p/crossing/00000.png") as mask:
        assert mask.mode == "P"
        assert mask.getpalette() == palette().reshape(-1).tolist()
        assert mask.size == (213, 120)


def test_davis_has_several_objects_that_hide_leave_and_return(video: Path) -> None:
    areas = {}
    for name in ("crossing", "return", "crowd"):
        frames = [read_labels(path) for path in sorted((video / "Annotations/480p" / name).glob("*.png"))]
        count = max(int(frame.max()) for frame in frames)
        areas[name] = np.array([[np.sum(frame == number + 1) for number in range(count)] for frame in frames])
    assert areas["crossing"].shape[1] == 2
    assert areas["crossing"].min(axis=0).min() < 0.6 * areas["crossing"].max()  # one passes behind the other
    gone = areas["return"][:, 0] == 0
    assert not gone[0]
    assert gone.any()
    assert not gone[-1]
    assert areas["crowd"].shape[1] == 3
    assert all((first > 0).all() for first in (areas[name][0] for name in areas)), "all objects start in sight"


def test_voc_masks_have_objects_classes_and_void(tmp_path: Path) -> None:
    voc12_twin.write(tmp_path)
    assert voc12.check(tmp_path).problems == ()
    images = voc12.open(tmp_path, "val")
    assert images.root is not None
    for name in images.names:
        identity = Path(name).stem
        objects, classes = (
            read_labels(images.root / f"Segmentation{kind}/{identity}.png") for kind in ("Object", "Class")
        )
        assert objects.shape == classes.shape
        assert read_rgb(images.root / name).size == objects.shape[::-1]
        assert ((objects == VOID) == (classes == VOID)).all()
        inside = (objects != VOID) & (objects != 0)
        assert inside.any()
        assert ((classes[inside] >= 1) & (classes[inside] <= 20)).all()


def test_retrieval_truth_is_consistent_and_of_plain_types(tmp_path: Path) -> None:
    root = tmp_path / "roxford5k"
    roxford5k.write(root)
    assert revisitop.check(root).problems == ()
    raw = pickle.loads((root / "gnd_roxford5k.pkl").read_bytes())
    assert not set(raw["imlist"]) & set(raw["qimlist"])
    assert len(raw["gnd"]) == len(raw["qimlist"]) == 12
    assert raw["gnd"][0]["easy"] == []
    for name, entry in zip(raw["qimlist"], raw["gnd"], strict=True):
        width, height = read_rgb(root / "jpg" / f"{name}.jpg").size
        left, top, right, bottom = entry["bbx"]
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        places = {raw["imlist"][index].split("_")[0] for kind in ("easy", "hard", "junk") for index in entry[kind]}
        assert places == {name.split("_")[0]}


def test_copydays_attacks_are_real(tmp_path: Path) -> None:
    copydays_twin.write(tmp_path)
    originals = sorted(path.name for path in (tmp_path / "original").iterdir())
    assert len(originals) == 20
    sizes = []
    for quality in copydays_twin.QUALITIES:
        folder = tmp_path / "jpegqual" / str(quality)
        assert sorted(path.name for path in folder.iterdir()) == originals
        sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
    assert sizes == sorted(sizes), "higher quality, larger files"
    for share in copydays_twin.CROPS:
        whole = read_rgb(tmp_path / "original" / originals[0]).size
        width, height = read_rgb(tmp_path / "crops" / str(share) / originals[0]).size
        assert abs(1 - width * height / (whole[0] * whole[1]) - share / 100) < 0.02
    strong = [path.name for path in (tmp_path / "strong").iterdir()]
    assert len(strong) == 30
    assert {name[:4] for name in strong} == {name[:4] for name in originals}
    assert not set(strong) & set(originals)
    assert len(list((tmp_path / "distractors").iterdir())) == len(list((tmp_path / "whitening").iterdir())) == 60


def test_a_rehearsals_copies_have_the_first_and_the_last_strength_alone(tmp_path: Path) -> None:
    with few_images():
        copydays_twin.write(tmp_path)
    folders = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")}
    assert {name for name in folders if "/" in name} == {"jpegqual/3", "jpegqual/75", "crops/10", "crops/80"}
    assert len(list(tmp_path.rglob("*.jpg"))) == 2 * 5 + 3 + 2 * 4
