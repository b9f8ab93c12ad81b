"""Depth on the twins: figures of the files, the floor, processes, and depth maps that do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dinobench.data.check import check_layout
from dinobench.data.layouts import kitti, nyu
from dinobench.data.registry import get_twin
from dinobench.data.twins._depths import save_counts
from dinobench.evaluators.base import Scores
from dinobench.evaluators.depth.evaluate import evaluate
from dinobench.metrics.depth import NAMES
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, picture, twin_fixture
from tests.group import in_processes

MODEL = "random:vit_mini/8"
SMALL = {"image_size": 48, "crop_height": 40, "crop_width": 40, "iterations": 6, "warmup_iterations": 1}
TRAIN = "room_0001/sync_depth_00003.png"


twin = twin_fixture("nyu")


@pytest.fixture
def copy(twin: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(twin, tmp_path / "copy"))


def _evaluate(data: Path, output: Path, task: str = "depth-nyu", **settings: object) -> Scores:
    return evaluate(context(task, "quick", data, output, MODEL, **{**SMALL, **settings}))


def test_the_figures_are_the_means_of_the_kept_errors(twin: Path, tmp_path: Path) -> None:
    scores = _evaluate(twin, tmp_path, iterations=30, lr=0.01)
    assert scores.images == {"train": 8, "val": 4}
    kept = pd.read_parquet(tmp_path / "predictions.parquet")
    assert kept["image"].tolist() == list(nyu.open(twin, "val").names)
    for name in NAMES:
        low, high = scores.intervals[name]
        assert low <= scores.metrics[name] <= high
        assert scores.metrics[name] == pytest.approx(kept[name].mean())
    assert kept["value"].tolist() == pytest.approx((kept["delta1"] / 100).tolist())
    assert scores.metrics["abs_rel"] < scores.metrics["constant_abs_rel"]
    assert {Path(file).name for file in scores.files} == {"predictions.parquet", "depth.png"}
    assert (tmp_path / "depth.png").is_file()


def test_kitti_is_cut_and_its_sparse_maps_are_scored(tmp_path: Path) -> None:
    get_twin("kitti").write(tmp_path / "data")
    assert check_layout("kitti", tmp_path / "data").problems == ()
    images = kitti.open(tmp_path / "data", "val")
    assert 0.1 < (kitti.depth_counts(images, 0) > 0).mean() < 0.3
    scores = _evaluate(tmp_path / "data", tmp_path, "depth-kitti")
    assert scores.images == {"train": 6, "val": 3}
    assert 0 < scores.metrics["rmse"] < 80
    with pytest.raises(InputError, match="no split extra"):
        kitti.open(tmp_path / "data", "extra")


def test_processes_share_the_images_and_score_as_one(twin: Path, tmp_path: Path) -> None:
    alone = _evaluate(twin, tmp_path)
    for scores in in_processes(_in_process, 2, twin, tmp_path):
        assert (scores.metrics, scores.intervals, scores.details) == (alone.metrics, alone.intervals, alone.details)


def _in_process(number: int, data: Path, output: Path) -> Scores:
    return _evaluate(data, output)


def test_the_unit_is_said_and_set_never_guessed(copy: Path, tmp_path: Path) -> None:
    given = context("depth-nyu", "quick", copy, tmp_path, MODEL, **SMALL)
    evaluate(given)
    assert "depth files are read as 1000 to a meter, as the data set has them" in given.notes
    meters = sorted(copy.rglob("sync_depth_*.png"))
    for path in meters:
        save_counts(path, (np.asarray(Image.open(path)) // 1000).astype(np.uint16))
    with pytest.raises(InputError, match=r"no pixel of the depth maps of nyu/train lies between 0.1 and 10 meters"):
        _evaluate(copy, tmp_path, min_depth=0.1)
    given = context("depth-nyu", "quick", copy, tmp_path, MODEL, **SMALL)
    evaluate(given)
    assert any("say the files' unit: --set per_meter=1 for meters" in note for note in given.notes)
    given = context("depth-nyu", "quick", copy, tmp_path, MODEL, **SMALL, per_meter=1.0)
    evaluate(given)
    assert "depth files are read as 1 to a meter, as set" in given.notes


def test_zero_depth_is_left_out_and_everywhere_it_is_refused(copy: Path, tmp_path: Path) -> None:
    tested = sorted((copy / "official_room").glob("sync_depth_*.png"))
    save_counts(tested[1], np.zeros((480, 640), np.uint16))
    scores = _evaluate(copy, tmp_path)
    assert "1 of 4 depth maps hold no depth that counts and were left out" in scores.warnings
    for path in tested:
        save_counts(path, np.zeros((480, 640), np.uint16))
    with pytest.raises(InputError, match=r"no pixel of the depth maps of nyu/val counts \(area = eigen"):
        _evaluate(copy, tmp_path)
    for path in copy.rglob("sync_depth_*.png"):
        save_counts(path, np.zeros((480, 640), np.uint16))
    with pytest.raises(InputError, match="no pixel of the depth maps of nyu/train lies between"):
        _evaluate(copy, tmp_path)


def test_maps_that_do_not_fit_are_named(copy: Path, tmp_path: Path) -> None:
    save_counts(copy / TRAIN, np.full((240, 320), 2000, np.uint16))
    with pytest.raises(InputError, match=r"room_0001/rgb_00003.jpg is 320 x 240, its image 640 x 480"):
        _evaluate(copy, tmp_path)
    for pixels, message in (
        (np.full((480, 640), 90, np.uint8), r"has 8 bits where 16 are expected; .*per_meter=25.5"),
        (np.zeros((480, 640, 3), np.uint8), "is a RGB image; give a gray one of 16 bits"),
    ):
        Image.fromarray(pixels).save(copy / TRAIN)
        with pytest.raises(InputError, match=message):
            _evaluate(copy, tmp_path)
    Image.fromarray(np.full((480, 640), 90, np.uint8)).save(copy / TRAIN)
    images = nyu.open(copy, "train")
    place = images.names.index("room_0001/rgb_00003.jpg")
    assert nyu.depth_counts(images, place, eight_bits=True).max() == 90
    (copy / TRAIN).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"cannot decode depth map .*sync_depth_00003.png"):
        _evaluate(copy, tmp_path)
    (copy / TRAIN).unlink()
    assert "sync_depth_00003.png" in check_layout("nyu", copy).problems[0]
    (copy / "nyu_train.txt").write_text("one\n")
    with pytest.raises(InputError, match=r"line 1 of .*nyu_train.txt has 1 words"):
        nyu.open(copy, "train")


def test_settings_and_data_that_do_not_fit_are_refused(twin: Path, tmp_path: Path) -> None:
    for settings, message in (
        ({"min_depth": 10.0}, "min_depth = 10 is not below max_depth = 10"),
        ({"batch_size": 3}, "batch_size = 3 is not a multiple of loss_images = 2"),
        ({"warmup_iterations": 6}, "leaves none of iterations = 6"),
        ({"gamma": [1.1, 0.9]}, "gamma = .* is not a range"),
        ({"crop_width": 200}, "smaller than crops of 200 x 40"),
        ({"frame": "kitti"}, "smaller than the 1216 x 352"),
    ):
        with pytest.raises(InputError, match=message):
            _evaluate(twin, tmp_path, **settings)
    for split in ("train", "val"):
        (tmp_path / "plain" / split / "a").mkdir(parents=True)
        picture(len(split)).save(tmp_path / "plain" / split / "a" / "x.png")
    given = context("depth-nyu", "quick", tmp_path / "plain", tmp_path, MODEL, **SMALL)
    given.layout = "imagefolder"
    with pytest.raises(InputError, match="has no depth maps; give a folder in the layout nyu or kitti"):
        evaluate(given)
