"""Retrieval between two kinds of images on AmsterTime's twin: figures, processes, and images without partner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dinobench.data.check import check_layout
from dinobench.data.registry import get_twin
from dinobench.evaluators.base import Scores
from dinobench.evaluators.pair_retrieval.evaluate import evaluate
from dinobench.metrics.average_precision import list_precisions
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import assert_processes_agree, context, twin_fixture

twin = twin_fixture("amstertime")


def _evaluate(data: Path, output: Path, **settings: object) -> Scores:
    return evaluate(context("amstertime", "paper", data, output, "random:vit_mini/8", **settings))


def test_both_directions_count(twin: Path, tmp_path: Path) -> None:
    assert check_layout("amstertime", twin).problems == ()
    scores = _evaluate(twin, tmp_path)
    kept = pd.read_parquet(tmp_path / "predictions.parquet")
    assert len(kept) == 48
    assert scores.metrics["map"] == pytest.approx((scores.metrics["map_old"] + scores.metrics["map_new"]) / 2)
    assert scores.metrics["map"] == pytest.approx(kept["map"].mean())
    assert scores.metrics["map_old"] == pytest.approx(kept["map_old"].mean())
    assert scores.metrics["top1"] <= scores.metrics["map"]
    few = _evaluate(twin, tmp_path, places=3)
    found = np.where(kept["map"] >= 100 / 3 - 1e-6, kept["map"], 0)
    assert few.metrics["map"] == pytest.approx(found.mean())


def test_processes_score_as_one(twin: Path, tmp_path: Path) -> None:
    assert_processes_agree(_evaluate, twin, tmp_path)


def test_precision_is_taken_at_every_partner() -> None:
    same = np.array([[False, True, True], [True, False, False]])
    assert list_precisions(same, np.array([2, 4])).tolist() == [pytest.approx((1 / 2 + 2 / 3) / 2), 0.25]


def test_images_without_partner_are_refused(twin: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    get_twin("amstertime").write(data)
    (data / "new" / "0003.png").unlink()
    with pytest.raises(InputError, match=r"1 images of .* lack their partner in old/ or new/: 0003"):
        _evaluate(data, tmp_path)
    (data / "old" / "0003.jpg").unlink()
    (data / "old" / "0004.png").write_bytes((data / "new" / "0004.png").read_bytes())
    with pytest.raises(InputError, match="both of the place 0004"):
        _evaluate(data, tmp_path)
