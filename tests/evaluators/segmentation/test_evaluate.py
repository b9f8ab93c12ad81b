"""Segmentation by every head on CamVid's twin, its floor, its files, processes, and masks that do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from dinobench.data.masks import read_labels, write_labels
from dinobench.data.registry import get_twin
from dinobench.evaluators.base import Scores
from dinobench.evaluators.common.costs import DataFacts, NetworkShape
from dinobench.evaluators.segmentation.cost import cost
from dinobench.evaluators.segmentation.evaluate import evaluate
from dinobench.evaluators.segmentation.patches import labels_on_disk
from dinobench.features.extract import Extractor
from dinobench.metrics.class_areas import class_areas, segmentation_means
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, overflow, picture, twin_fixture
from tests.group import in_processes

MODEL = "random:vit_mini/8"
SMALL = {"image_size": 64, "max_iterations": 30}
TRAINED = {"window": 48, "stride": 32, "iterations": 8, "batch_size": 2, "warmup_iterations": 2, "lr": 0.05}
HEADS = {
    "quick": {},
    "capi": {"cs": [0.01, 1.0]},
    "capi-knn": {"ks": [1, 5]},
    "hummingbird": {"memory_size": 600},
    "dinov2": TRAINED,
    "dinov3": TRAINED,
}


twin = twin_fixture("camvid")


@pytest.fixture
def copy(twin: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(twin, tmp_path / "copy"))


def _evaluate(
    data: Path, output: Path, protocol: str = "quick", task: str = "seg-camvid", **settings: object
) -> Scores:
    return evaluate(context(task, protocol, data, output, MODEL, **{**SMALL, **settings}))


@pytest.mark.parametrize("protocol", HEADS)
def test_every_head_lies_above_the_majority_class(protocol: str, twin: Path, tmp_path: Path) -> None:
    scores = _evaluate(twin, tmp_path, protocol, **HEADS[protocol])
    assert scores.images == {"train": 12, "test": 6}
    low, high = scores.intervals["aacc"]
    assert low <= scores.metrics["aacc"] <= high
    assert scores.metrics["miou"] > scores.metrics["majority_miou"] > 0
    assert len(scores.details.get("held_out", [])) == {"capi": 2, "capi-knn": 4}.get(protocol, 0)
    assert ("chosen" in scores.details) == (not protocol.startswith("dino"))


def test_the_figures_are_those_of_the_written_predictions(twin: Path, tmp_path: Path) -> None:
    scores = _evaluate(twin, tmp_path)
    areas = []
    for path in sorted((tmp_path / "predictions" / "test").iterdir()):
        truth = read_labels(twin / "testannot" / path.name)
        areas.append(class_areas(np.where(truth == 11, 255, truth).astype(np.uint8), read_labels(path), 11))
    assert scores.metrics["miou"] == pytest.approx(100 * float(segmentation_means(np.sum(areas, axis=0)).miou))
    assert {Path(file).name for file in scores.files} > {
        "predictions.parquet",
        "areas.parquet",
        "classes.csv",
        "segmentation.png",
    }
    assert (tmp_path / "segmentation.png").is_file()
    lines = (tmp_path / "classes.csv").read_text().splitlines()
    assert lines[0] == "class,iou,accuracy,pixels"
    assert len(lines) == 12
    assert set(scores.details["iou"]) <= {line.split(",")[0] for line in lines}
    assert not _evaluate(twin, tmp_path / "without", predictions=False).metrics.keys() ^ scores.metrics.keys()
    assert not (tmp_path / "without" / "predictions").exists()


def test_images_of_one_stem_keep_their_own_predictions(copy: Path, tmp_path: Path) -> None:
    (copy / "test.txt").unlink()
    twice = picture(1, (120, 90))
    twice.save(copy / "test" / "0001_00003.png")
    _evaluate(copy, tmp_path)
    names = sorted(path.name for path in (tmp_path / "predictions" / "test").iterdir())
    assert names == sorted(f"{path.name}.png" for path in (copy / "test").iterdir())
    assert len(names) == 7


def test_processes_share_the_images_and_score_as_one(twin: Path, tmp_path: Path) -> None:
    for protocol, count in (("capi", 2), ("capi-knn", 4), ("hummingbird", 2), ("dinov3", 2)):
        alone = _evaluate(twin, tmp_path, protocol, **HEADS[protocol])
        for scores in in_processes(_in_process, count, twin, tmp_path, protocol):
            assert (scores.metrics, scores.intervals, scores.images) == (alone.metrics, alone.intervals, alone.images)


def test_a_second_protocol_on_the_same_network_does_not_run_it_again(twin: Path, tmp_path: Path) -> None:
    first = _evaluate(twin, tmp_path, "capi", **HEADS["capi"])
    with mock.patch.object(Extractor, "of_images", side_effect=AssertionError("the network ran")):
        assert _evaluate(twin, tmp_path, "capi", **HEADS["capi"]).metrics == first.metrics
        assert _evaluate(twin, tmp_path, "capi-knn", **HEADS["capi-knn"]).metrics["miou"] > 0
        assert _evaluate(twin, tmp_path, "capi", **HEADS["capi"], held=0).metrics == first.metrics


def test_damaged_maps_are_computed_again(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    sound = _evaluate(twin, tmp_path, predictions=False)
    damaged = next((tmp_path / "cache" / "features").rglob("*.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    assert _evaluate(twin, tmp_path, predictions=False).metrics == sound.metrics
    assert f"{damaged} is damaged" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("protocol", ["quick", "capi", "hummingbird", "dinov2"])
@pytest.mark.parametrize("numbers", ["fp32", "fp16"])
def test_the_bytes_that_are_told_are_those_on_disk(
    protocol: str, numbers: str, twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    given = context("seg-camvid", protocol, twin, tmp_path, MODEL, **SMALL, **HEADS[protocol], numbers=numbers)
    evaluate(given)
    arrays = [np.load(path) for path in (tmp_path / "cache" / "features").rglob("*.npy")]
    facts = DataFacts({"train": 12, "test": 6}, 11, 90, 120)
    shape = NetworkShape(given.model.backbone.dim, 4, 8, 64, 0)
    assert sum(array.nbytes for array in arrays) == cost(given.settings, shape, facts, 16).stored
    assert bool(arrays) == (protocol != "dinov2")


def test_classes_of_patches_need_a_folder_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write the classes of the training patches"):
        labels_on_disk([np.zeros((2, 4), np.uint8)], tmp_path / "file")


def _in_process(number: int, data: Path, output: Path, protocol: str) -> Scores:
    return _evaluate(data, output, protocol, **HEADS[protocol])


@pytest.mark.parametrize("task", ["seg-voc12", "seg-ade20k", "seg-cityscapes"])
def test_the_other_data_sets(task: str, tmp_path: Path) -> None:
    get_twin(task.removeprefix("seg-")).write(tmp_path / "data")
    scores = _evaluate(tmp_path / "data", tmp_path / "out", task=task)
    assert scores.metrics["miou"] > scores.metrics["majority_miou"]
    assert any("raise max_iterations" in line for line in scores.warnings)


def test_a_mask_of_another_size_is_named(copy: Path, tmp_path: Path) -> None:
    write_labels(copy / "testannot" / "0001_00003.png", np.zeros((60, 80), dtype=np.uint8))
    with pytest.raises(InputError, match=r"mask of test/0001_00003.jpg is 80 x 60, its image 120 x 90"):
        _evaluate(copy, tmp_path)


def test_void_everywhere_is_refused_and_a_void_image_counts_for_nothing(copy: Path, tmp_path: Path) -> None:
    for path in (copy / "testannot").iterdir():
        if path.name == "0001_00003.png":
            write_labels(path, np.full((90, 120), 11, dtype=np.uint8))
    assert "1 of 6 masks are void throughout and count for nothing" in _evaluate(copy, tmp_path).warnings
    for split, name in (("test", "camvid/test"), ("train", "the training masks|camvid/train")):
        for path in (copy / f"{split}annot").iterdir():
            write_labels(path, np.full((90, 120), 11, dtype=np.uint8))
        with pytest.raises(InputError, match=f"every pixel of ({name}|the masks of {name}) is void"):
            _evaluate(copy, tmp_path)


def test_settings_that_do_not_fit_are_refused(twin: Path, tmp_path: Path) -> None:
    for settings, message in (
        ({"square": True, "image_size": 100}, "not a multiple of the model's patches of 8 pixels; give 96"),
        ({"layer": 9}, "layer = 9 of a model with 4 blocks"),
        ({"window": 32, "stride": 64}, "leaves gaps"),
        ({"votes": "pixels"}, "needs square = true"),
        ({"passes": 2}, "give crop_scale too"),
        ({"crop_scale": [1.0]}, "is not a range"),
        ({"resize_range": [2.0, 1.0]}, "is not a range"),
        ({"ks": []}, "ks is empty"),
    ):
        with pytest.raises(InputError, match=message):
            _evaluate(twin, tmp_path, **settings)


def test_data_without_masks_of_classes_and_broken_networks_are_refused(twin: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "plain" / split / "a").mkdir(parents=True)
        picture(len(split)).save(tmp_path / "plain" / split / "a" / "x.png")
    given = context("seg-camvid", "quick", tmp_path / "plain", tmp_path, MODEL, split="val")
    given.layout = "imagefolder"
    with pytest.raises(InputError, match="has no mask of classes for its images"):
        evaluate(given)
    broken = context("seg-camvid", "quick", twin, tmp_path, MODEL, **SMALL)
    overflow(broken.model)
    with pytest.raises(InputError, match="features of 12 images are not finite"):
        evaluate(broken)


def test_one_training_image_cannot_be_held_out(copy: Path, tmp_path: Path) -> None:
    (copy / "train.txt").write_text("train/0001_00000.jpg trainannot/0001_00000.png\n")
    with pytest.raises(InputError, match="cannot be held out"):
        _evaluate(copy, tmp_path, cs=[0.1, 1.0])
    scores = _evaluate(copy, tmp_path, "hummingbird", memory_size=5, passes=1)
    assert scores.details["training_patches"] == 5
    assert "k = 30 of a memory of 5 patches: all of them vote" in scores.warnings


def test_a_palette_of_colors_in_place_of_class_numbers_is_refused(copy: Path, tmp_path: Path) -> None:
    write_labels(copy / "trainannot" / "0001_00001.png", np.full((90, 120), 200, dtype=np.uint8))
    with pytest.raises(InputError, match=r"0001_00001.png holds the values 200, which stand for no class"):
        _evaluate(copy, tmp_path)
