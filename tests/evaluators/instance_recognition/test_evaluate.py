"""Recognition on the Met's twin: figures from kept answers, choices on val, whitening, processes, and bad lists."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dinobench.data.check import check_layout
from dinobench.data.layouts import met
from dinobench.evaluators.base import Scores
from dinobench.evaluators.instance_recognition.evaluate import evaluate
from dinobench.metrics.recognition import global_average_precision, recognition_figures, recognize
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import assert_processes_agree, context, twin_fixture

KIT = {"whitened": 12, "ks": (1, 3, 10), "sharpness": (0.1, 10.0, 100.0)}


twin = twin_fixture("met")


def _evaluate(data: Path, output: Path, **settings: object) -> Scores:
    return evaluate(context("met", "plain", data, output, "random:vit_mini/8", **settings))


def test_figures_follow_from_the_kept_answers(twin: Path, tmp_path: Path) -> None:
    assert check_layout("met", twin).problems == ()
    scores = _evaluate(twin, tmp_path)
    kept = pd.read_parquet(tmp_path / "answers.parquet").sort_values("confidence", ascending=False)
    precision = kept["correct"].cumsum() / np.arange(1, len(kept) + 1)
    assert scores.metrics["gap"] == pytest.approx(100 * precision[kept["correct"]].sum() / kept["known"].sum())
    assert scores.metrics["top1"] == pytest.approx(100 * kept["correct"][kept["known"]].mean())
    assert scores.metrics["gap_known"] >= scores.metrics["gap"]
    assert (scores.images, scores.details["distractors"]) == ({"train": 40, "test": 22}, 12)
    assert all(low <= scores.metrics[name] <= high for name, (low, high) in scores.intervals.items())


def test_k_and_sharpness_are_those_of_the_best_gap_on_val(twin: Path, tmp_path: Path) -> None:
    scores = _evaluate(twin, tmp_path, **KIT)
    alone = [
        _evaluate(twin, tmp_path, whitened=12, ks=(k,), sharpness=(s,), split="val").metrics["gap"]
        for k in (1, 3, 10)
        for s in (0.1, 10.0, 100.0)
    ]
    assert scores.details["val_gap"] == pytest.approx(max(alone))
    assert scores.images["val"] == 12
    with pytest.raises(InputError, match="cannot keep 400 of"):
        _evaluate(twin, tmp_path, whitened=400)
    with pytest.raises(InputError, match="k = 99 of 40 training images"):
        _evaluate(twin, tmp_path, ks=(99,))


def test_processes_score_as_one(twin: Path, tmp_path: Path) -> None:
    assert_processes_agree(_evaluate, twin, tmp_path, **KIT)


def test_a_class_counts_as_its_nearest_member() -> None:
    answer = recognize(np.array([[0.9, 0.8, 0.5]]), np.array([[4, 4, 7]]), 2.0, 10)
    assert answer.predicted.tolist() == [4]
    share = np.exp(1.8) / (np.exp(1.8) + np.exp(1.0) + 8)
    assert 1 / (1 + np.exp(-answer.confidence[0])) == pytest.approx(share)
    sharp = recognize(np.array([[0.9], [0.95]]), np.array([[1], [2]]), 500.0, 10)
    assert sharp.confidence[1] > sharp.confidence[0]


def test_queries_of_nothing_cost_precision() -> None:
    correct, confidence = np.array([True, False, True]), np.array([0.9, 0.8, 0.7])
    assert global_average_precision(correct, confidence, 2) == pytest.approx((1 + 2 / 3) / 2)
    figures = recognition_figures(correct, confidence, np.array([True, False, True]))
    assert (figures["gap_known"], figures["top1"]) == (1, 1)


def test_lists_that_do_not_fit_are_named(twin: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    path = data / "ground_truth" / "testset.json"
    queries = json.loads(path.read_text())
    for changed, message in (
        ({"MET_id": 999}, "asks for 1 exhibits that MET_database.json lacks: 999"),
        ({"MET_id": "x"}, "has no number of an exhibit"),
        ({"path": "../x.jpg"}, "is not taken as a path"),
        ({"path": 3}, "lists a photo without path"),
        ({"path": "test_met/none.jpg"}, "none.jpg"),
    ):
        path.write_text(json.dumps([queries[0] | changed, *queries[1:]]))
        with pytest.raises(InputError, match=message):
            met.open(data, "test")
    path.write_text("{}")
    with pytest.raises(InputError, match="is not a list of photos"):
        met.open(data, "test")
    path.write_text(json.dumps([{"path": each["path"]} for each in queries]))
    with pytest.raises(InputError, match="shows a known thing"):
        _evaluate(data, tmp_path)


def test_the_part_of_the_database_is_said(twin: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    folder = data / "ground_truth"
    (folder / "MET_database.json").rename(folder / "mini_MET_database.json")
    assert met.open(data, "train").notes == ("the database is mini_MET_database.json, a part of Met's",)
    (folder / "mini_MET_database.json").unlink()
    with pytest.raises(InputError, match=r"has no ground_truth/MET_database\.json"):
        met.open(data, "train")
