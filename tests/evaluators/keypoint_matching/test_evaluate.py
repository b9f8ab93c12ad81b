"""Keypoints on SPair's twin: the figures follow from the pairs, processes, drawn pairs, and pairs that are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dinobench.cards import load_tasks
from dinobench.data.check import check_layout
from dinobench.data.layouts import spair
from dinobench.evaluators.base import Scores
from dinobench.evaluators.keypoint_matching.evaluate import drawn_pairs, evaluate
from dinobench.metrics.keypoint_matches import class_point_shares, match_points, point_intervals
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import assert_processes_agree, context, twin_fixture

MODEL = "random:vit_mini/8"


twin = twin_fixture("spair")


def _evaluate(data: Path, output: Path, protocol: str = "probe3d", **settings: object) -> Scores:
    return evaluate(context("spair", protocol, data, output, MODEL, **{"grid": 12, **settings}))


def test_the_figures_follow_from_the_kept_pairs(twin: Path, tmp_path: Path) -> None:
    assert check_layout("spair", twin).problems == ()
    scores = _evaluate(twin, tmp_path)
    kept = pd.read_parquet(tmp_path / "pairs.parquet")
    groups = kept.groupby("category")[["hits", "points", "still"]].sum()
    assert len(kept) == 9
    assert load_tasks()["spair"].differences(scores.images, ()) == ["9 pairs where the benchmark has 12234"]
    assert scores.metrics["pck"] == pytest.approx(100 * (groups["hits"] / groups["points"]).mean())
    assert scores.metrics["still_pck"] == pytest.approx(100 * (groups["still"] / groups["points"]).mean())
    assert scores.metrics["pck_point"] == pytest.approx(100 * kept["hits"].sum() / kept["points"].sum())
    assert scores.metrics["pck_image"] == pytest.approx(100 * (kept["hits"] / kept["points"]).mean())
    assert all(low <= scores.metrics[name] <= high for name, (low, high) in scores.intervals.items())
    assert scores.metrics["pck"] > scores.metrics["still_pck"]
    assert (tmp_path / "matches.png").is_file()
    assert _evaluate(twin, tmp_path / "all", "dinov3").details["pairs"] == 9


def test_processes_share_the_pairs_and_score_as_one(twin: Path, tmp_path: Path) -> None:
    assert_processes_agree(_evaluate, twin, tmp_path)


def test_pairs_are_drawn_by_category_and_seed(twin: Path) -> None:
    pairs = spair.keypoint_pairs(spair.open(twin, "test"))
    chosen = drawn_pairs(pairs, 2, 0)
    assert [pair.category for pair in chosen] == ["aeroplane"] * 2 + ["bicycle"] * 2 + ["bird"] * 2
    assert chosen == drawn_pairs(pairs, 2, 0)
    assert len({tuple(pair.name for pair in drawn_pairs(pairs, 2, seed)) for seed in range(8)}) > 2


def test_a_point_is_found_where_its_features_are() -> None:
    maps = torch.eye(36).reshape(6, 6, 36)
    points = torch.tensor([[0.0, 0.0], [1.0, 0.4], [0.2, 0.8]])
    found = match_points(maps, maps.flip(1), points, corner=True)
    assert torch.allclose(found * 6, torch.tensor([[5.0, 0.0], [0.0, 2.0], [4.0, 4.0]]))
    assert torch.allclose(match_points(maps, maps, points, corner=False)[0], torch.tensor([0.5, 0.5]) / 6)


def test_intervals_hold_the_figure() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(3, 9, 60).astype(float)
    hits, classes = rng.binomial(points.astype(int), 0.4).astype(float), rng.integers(0, 4, 60)
    edges = point_intervals(hits, points, classes, repeats=300)
    assert edges["class"][0] < class_point_shares(hits, points, classes) < edges["class"][1]
    assert edges["point"][0] < hits.sum() / points.sum() < edges["point"][1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"src_kps": [[1, 2]]}, "points in one photo"),
        ({"trg_kps": [[1, 2]] * 3, "src_kps": [[900, 2]] * 3}, "points outside the photo"),
        ({"trg_bndbox": [5, 5, 5, 9]}, "without extent"),
        ({"trg_bndbox": "box"}, "no numbers in trg_bndbox"),
        ({"src_imname": "../../x.jpg"}, "x.jpg"),
        ({"src_imname": None}, "names no src_imname"),
    ],
)
def test_pairs_that_are_none_are_named(change: dict[str, object], message: str, twin: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    path = sorted((data / "SPair-71k/PairAnnotation/test").iterdir())[1]
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        _evaluate(data, tmp_path)


def test_a_missing_photo_and_a_missing_split_are_named(twin: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    (data / "SPair-71k/JPEGImages/bird/2008_000200.jpg").unlink()
    assert any("2008_000200.jpg" in line for line in check_layout("spair", data).problems)
    with pytest.raises(InputError, match="has no pairs in PairAnnotation/extra"):
        spair.open(data, "extra")
