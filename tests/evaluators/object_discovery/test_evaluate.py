"""CorLoc on drawn photos, its floors, files and processes; images without objects, and data without boxes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dinobench.data.registry import get_twin
from dinobench.evaluators.base import Scores
from dinobench.evaluators.object_discovery.evaluate import evaluate
from dinobench.runtime.errors import InputError
from tests.conftest import shared_data
from tests.evaluators.toys import assert_processes_agree, context, overflow, twin_fixture

MODEL = "random:vit_mini/8"


twin = twin_fixture("voc07")


def _evaluate(data: Path, output: Path, protocol: str = "lost", **settings: object) -> Scores:
    return evaluate(context("discovery-voc07", protocol, data, output, MODEL, **{"image_size": 48, **settings}))


@pytest.mark.parametrize("protocol", ["lost", "tokencut"])
def test_corloc_stands_beside_its_floors(protocol: str, twin: Path, tmp_path: Path) -> None:
    scores = _evaluate(twin, tmp_path, protocol)
    assert scores.images == {"trainval": 16}
    assert scores.metrics.keys() == scores.intervals.keys() == {"corloc", "center_corloc", "whole_corloc"}
    assert {Path(file).name for file in scores.files} == {"boxes.csv", "predictions.parquet", "discovery.png"}
    lines = [line.split(",") for line in (tmp_path / "boxes.csv").read_text().splitlines()[1:]]
    found = [float(line[5]) >= 0.5 for line in lines]
    assert scores.metrics["corloc"] == pytest.approx(100 * np.mean(found))
    assert all(0 <= float(x0) < float(x1) <= 160 for _, x0, _, x1, _, _ in lines)
    assert (tmp_path / "discovery.png").is_file()
    assert _evaluate(twin, tmp_path, protocol, overlap=0.01).metrics["whole_corloc"] == 100


def test_processes_share_the_images_and_score_as_one(twin: Path, tmp_path: Path) -> None:
    assert_processes_agree(_evaluate, twin, tmp_path)


def test_images_without_objects_are_left_out_and_said(twin: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    paths = sorted((data / "VOCdevkit/VOC2007/Annotations").iterdir())
    paths[2].write_text("<annotation></annotation>")
    assert "1 of 16 images hold no object and were left out" in _evaluate(data, tmp_path).warnings
    for path in paths:
        path.write_text("<annotation></annotation>")
    with pytest.raises(InputError, match="no image of voc07/trainval has a box"):
        _evaluate(data, tmp_path)


def test_real_boxes_and_patch_tokens_of_a_convnet(tmp_path: Path) -> None:
    data = shared_data("tiny-imagenet-200")
    given = context("discovery-tiny", "lost", data, tmp_path, "random:resnet18", feature="patches")
    given.dataset = lambda split: type(given).dataset(given, split).subset(range(8))  # type: ignore[method-assign]
    assert 0 <= evaluate(given).metrics["corloc"] <= 100
    given = context("discovery-tiny", "lost", data, tmp_path, "random:resnet18")
    with pytest.raises(InputError, match=r"the keys of .* are not known"):
        evaluate(given)


def test_data_without_boxes_and_broken_networks_are_refused(twin: Path, tmp_path: Path) -> None:
    given = context("discovery-voc07", "lost", twin, tmp_path, MODEL)
    given.layout, given.settings = "camvid", given.settings
    get_twin("camvid").write(tmp_path / "camvid")
    given.data, given.splits = str(tmp_path / "camvid"), {"trainval": "train"}
    with pytest.raises(InputError, match="has no boxes of objects"):
        evaluate(given)
    broken = context("discovery-voc07", "lost", twin, tmp_path, MODEL, image_size=64)
    overflow(broken.model)
    with pytest.raises(InputError, match=r"keys of .* are not finite"):
        evaluate(broken)
