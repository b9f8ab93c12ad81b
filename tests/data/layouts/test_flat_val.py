"""Validation images in one folder, with their labels in the list that comes with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from dinobench.data.check import check_layout
from dinobench.data.layouts import imagefolder
from dinobench.data.open import layout_of, open_dataset, open_training
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.data.layouts.test_people_folders import folder

WNIDS = ("n01440764", "n01443537", "n01484850")
FLAT = tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, 5))
TRUTH = (WNIDS[2], WNIDS[0], WNIDS[1], WNIDS[2])


def imagenet(base: Path) -> Path:
    return folder(base, *(f"train/{w}/{w}_0.JPEG" for w in WNIDS), *(f"val/{name}.JPEG" for name in FLAT))


def solution(path: Path) -> None:
    rows = [f"{name},{wnid} 1 2 3 4 {wnid} 5 6 7 8 " for name, wnid in zip(FLAT, TRUTH, strict=True)]
    path.write_bytes(("\ufeff" + "\r\n".join(["ImageId,PredictionString", *rows]) + "\r\n").encode())


def devkit(root: Path) -> None:
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    numbers = {WNIDS[0]: 7, WNIDS[1]: 2, WNIDS[2]: 5}
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{numbers[kind]}\n" for kind in TRUTH))
    synsets = np.zeros(3, dtype=[("ILSVRC2012_ID", object), ("WNID", object)])
    for row, (wnid, number) in enumerate(numbers.items()):
        synsets[row] = (number, wnid)
    scipy.io.savemat(data / "meta.mat", {"synsets": synsets})


def test_tiny_imagenet_opens_as_downloaded() -> None:
    root = shared_data("tiny-imagenet-200")
    assert layout_of(str(root)) == "imagefolder"
    train, val = (open_dataset(str(root), split) for split in ("train", "val"))
    assert (len(train), len(val), len(train.classes)) == (1000, 500, 20)
    truth = dict(line.split("\t")[:2] for line in (root / "val" / "val_annotations.txt").read_text().splitlines())
    assert [val.classes[label] for label in val.labels] == [truth[Path(name).name] for name in val.names]
    assert "labels of val/ are taken from val_annotations.txt" in val.notes
    assert check_layout("imagefolder", root).problems == ()
    assert len(open_training(str(root))) == 1000


def test_imagenet_as_kaggle_packs_it(tmp_path: Path) -> None:
    imagenet(tmp_path / "ILSVRC" / "Data" / "CLS-LOC")
    solution(tmp_path / "LOC_val_solution.csv")
    val = imagefolder.open(tmp_path, "val")
    assert [val.classes[label] for label in val.labels] == list(TRUTH)
    assert val.classes == WNIDS
    assert any("LOC_val_solution.csv" in note for note in val.notes)


def test_imagenet_with_its_development_kit(tmp_path: Path) -> None:
    root = imagenet(tmp_path)
    devkit(root)
    val = imagefolder.open(root, "val")
    assert [val.classes[label] for label in val.labels] == list(TRUTH)


def test_a_list_that_does_not_fit_the_images_is_refused(tmp_path: Path) -> None:
    root = imagenet(tmp_path)
    solution(root / "LOC_val_solution.csv")
    (root / "val" / f"{FLAT[3]}.JPEG").rename(root / "val" / "another.JPEG")
    with pytest.raises(InputError, match=r"no label for 1 of 4 images .*another\.JPEG"):
        imagefolder.open(root, "val")
    (root / "val" / "another.JPEG").unlink()
    with pytest.raises(InputError, match=r"labels 4 images, but .* holds 3"):
        imagefolder.open(root, "val")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_as_hugging_face_writes_it(kind: str, tmp_path: Path) -> None:
    root = folder(tmp_path, *(f"{split}/{n}.png" for split in ("train", "val") for n in range(3)))
    for split, labels in (("train", (0, 10, 2)), ("val", (10, 2, 2))):
        rows = {
            "csv": ["file_name,label", *(f"{n}.png,{label}" for n, label in enumerate(labels))],
            "jsonl": [f'{{"file_name": "{n}.png", "label": {label}}}' for n, label in enumerate(labels)],
        }[kind]
        (root / split / f"metadata.{kind}").write_text("\n".join(rows))
    val = imagefolder.open(root, "val")
    assert val.classes == ("0", "2", "10") and val.labels.tolist() == [2, 1, 1]
    (root / "val" / f"metadata.{kind}").write_text("file_name,text\n0.png,a cat\n" if kind == "csv" else '{"text": 1}')
    with pytest.raises(InputError, match=r"but none of (labels|files)"):
        imagefolder.open(root, "val")


@pytest.mark.parametrize("inner", ["", "images/"])
def test_metadata_of_one_folder_without_splits(inner: str, tmp_path: Path) -> None:
    root = folder(tmp_path, *(f"{inner}{n}.png" for n in range(10)))
    rows = [f"{inner}{n}.png,{'cat' if n < 5 else 'dog'}" for n in range(10)]
    (root / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    train, val = (open_dataset(str(root), split) for split in ("train", "val"))
    assert (len(train), val.classes, val.labels.tolist()) == (8, ("cat", "dog"), [0, 1])
    assert any("2 of 10 images, a fifth of each class" in note for note in val.notes)
    whole = imagefolder.open(val.root, "all")  # type: ignore[arg-type]
    assert len(whole) == 10 and whole.classes == val.classes and whole.labeled
    assert len(open_training(str(root))) == 10
