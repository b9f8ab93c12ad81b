"""Each data set as its official archives unpack: `data check` and `eval` agree, and name each step that is left out."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.data.layouts import imagefolder
from dinobench.data.registry import get_twin
from tests.data.layouts.test_flat_val import FLAT, WNIDS, devkit, imagenet, solution
from tests.data.layouts.test_people_folders import folder
from tests.data.layouts.test_places205 import unpacked


@dataclass(frozen=True)
class Steps:
    """A data set, a task on it, and for each step what it leaves on disk and the line that misses it."""

    name: str
    task: str
    left_out: dict[str, str]


SETS = (
    Steps(
        "cifar10",
        "finetune-cifar10",
        {"cifar-10-batches-py": "no CIFAR under", "cifar-10-batches-py/test_batch": r"no file .*test_batch"},
    ),
    Steps("cifar100", "finetune-cifar100", {"cifar-100-python": "no CIFAR under", "cifar-100-python/train": "no file"}),
    Steps(
        "flowers",
        "knn-flowers",
        {"jpg": r"images listed in .*setid\.mat are missing: jpg/image_", "imagelabels.mat": r"no file .*imagelabels"},
    ),
    Steps(
        "cars",
        "finetune-cars",
        {
            "cars_test": r"images .* are missing: cars_test/",
            "devkit": r"no file .*devkit/cars_(meta|train_annos)\.mat",
            "cars_test_annos_withlabels.mat": "fetch cars_test_annos_withlabels.mat",
        },
    ),
    Steps(
        "inat18",
        "finetune-inat18",
        {"train_val2018": r"images .*2018\.json are missing", "val2018.json": r"must hold val2018\.json"},
    ),
    Steps(
        "inat19",
        "finetune-inat19",
        {"train_val2019": r"images .*2019\.json are missing", "train2019.json": r"must hold train2019\.json"},
    ),
    Steps(
        "davis",
        "davis",
        {
            "JPEGImages": "has no frames",
            "Annotations": "lacks the mask",
            "ImageSets/2017": "DAVIS|no file .*val",
        },
    ),
    Steps("davis2016", "davis2016", {"Annotations": "lacks the mask", "ImageSets": r"no file .*val\.txt"}),
    Steps(
        "voc12",
        "voc-attention",
        {
            "VOCdevkit/VOC2012/JPEGImages": r"\.txt are missing: JPEGImages/",
            "VOCdevkit/VOC2012/SegmentationObject": r"are missing: SegmentationObject/",
            "VOCdevkit/VOC2012/ImageSets": r"no file .*val\.txt",
        },
    ),
)


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    return result.exit_code, result.output


def _both(name: str, task: str, root: Path) -> tuple[int, str, str]:
    code, checked = _run("data", "check", name, "--data", root)
    _, planned = _run("eval", "--task", task, "--model", "pixels", "--data", root, "--dry-run")
    return code, checked, planned


@pytest.mark.parametrize("steps", SETS, ids=lambda steps: steps.name)
def test_a_data_set_opens_as_unpacked_and_each_missing_step_is_named(steps: Steps, tmp_path: Path) -> None:
    root = tmp_path / "unpacked"
    get_twin(steps.name).write(root)
    code, checked, planned = _both(steps.name, steps.task, root)
    assert code == 0 and "ROOT" in checked and "problem" not in planned and "missing" not in planned
    for step, line in steps.left_out.items():
        partial = tmp_path / step.replace("/", "-")
        shutil.copytree(root, partial)
        shutil.rmtree(partial / step) if (partial / step).is_dir() else (partial / step).unlink()
        code, checked, planned = _both(steps.name, steps.task, partial)
        assert code == 2 and re.search(line, checked.splitlines()[-1]), checked
        problems = re.findall("problem: (.*)", checked)
        assert len(set(problems)) == len(problems)
        assert all(f"problem: {problem}" in planned for problem in problems[:3]), planned


@pytest.mark.parametrize("labels", ["class folders", "Kaggle's list", "development kit"])
def test_imagenet_opens_by_each_of_its_ways(labels: str, tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    base = imagenet(root / "ILSVRC/Data/CLS-LOC" if labels == "Kaggle's list" else root)
    code, checked, planned = _both("imagenet", "knn", root)
    assert code == 2 and "no class folders in val/ but 4 images" in checked and "no class folders" in planned
    assert "train  3 images" in planned  # training does not wait for val
    if labels == "class folders":
        for name, wnid in zip(FLAT, (*WNIDS, WNIDS[0]), strict=True):
            (base / "val" / wnid).mkdir(exist_ok=True)
            (base / "val" / f"{name}.JPEG").rename(base / "val" / wnid / f"{name}.JPEG")
    elif labels == "Kaggle's list":
        solution(root / "LOC_val_solution.csv")
    else:
        devkit(root)
    code, checked, planned = _both("imagenet", "knn", root)
    assert code == 0 and "val    4 images" in planned
    assert "3 classes where the benchmark has 1000" in checked


def test_places205_opens_as_unpacked(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "places")
    code, checked, planned = _both("places205", "knn-places-1pct", root)
    assert code == 0 and "images256/a/abbey" in checked and "val    6 images" in planned
    shutil.rmtree(root / "images256")
    code, checked, planned = _both("places205", "knn-places-1pct", root)
    assert code == 2 and "imagesPlaces205_resize.tar.gz" in checked.splitlines()[-1] and "problem: " in planned


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r", "sketch"])
def test_a_test_set_of_imagenet_beside_its_training_images(name: str, tmp_path: Path) -> None:
    train = folder(tmp_path, *(f"train/{wnid}/0.JPEG" for wnid in WNIDS), *(f"{name}/{WNIDS[2]}/0.jpg",))
    arguments = ("--task", "knn", "--model", "pixels", "--data", train, "--set", f"val_split={name}")
    code, output = _run("eval", *arguments, "--set", "ks=[1]", "--set", "main_k=1", "--output", tmp_path / "records")
    assert code == 0 and f"{name} has images of 1 of the 3 classes" in output, output


def test_imagenet_v2_has_numbers_for_classes(tmp_path: Path) -> None:
    wnids = [f"n{number:08d}" for number in range(5, 1005)]
    for wnid in wnids:
        (tmp_path / "train" / wnid).mkdir(parents=True)
    folder(tmp_path, *(f"train/{wnid}/0.JPEG" for wnid in wnids[:20]), "v2/10/a.jpeg", "v2/2/b.jpeg")
    val = imagefolder.open(tmp_path, "v2")
    assert [val.classes[label] for label in val.labels] == [wnids[10], wnids[2]]
    assert any("numbers, taken for places in the sorted list" in note for note in val.notes)
