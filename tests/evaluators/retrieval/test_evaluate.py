"""Retrieval from images to mAP, on a tiny benchmark in the true layout."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dinobench.evaluators.common.ranking.files import score_retrieval_file
from dinobench.evaluators.retrieval.evaluate import evaluate
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, picture, write_revisitop


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))


def test_cropped_queries_find_their_scene(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    scores = evaluate(context("roxford", "official", data, tmp_path / "out"))
    assert scores.metrics["medium_map"] == 100 and scores.metrics["hard_mp@1"] == 100
    assert scores.images == {"database": 9, "query": 3}
    assert scores.intervals["easy_map"] == (100, 100)
    whole = evaluate(context("roxford", "dino", data, tmp_path / "out"))
    assert whole.metrics["medium_map"] < 100  # the white page round the scene misleads


def test_exported_rankings_score_the_same(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    scores = evaluate(context("roxford", "dino", data, tmp_path / "out"))
    again = score_retrieval_file(tmp_path / "out" / "ranks.npy", data / "gnd_roxford5k.pkl")
    assert again.metrics == pytest.approx(scores.metrics)
    assert all(Path(file).is_file() for file in scores.files)
    first = json.loads((tmp_path / "out" / "rankings.json").read_text())["queries"][0]
    assert [result["verdict"] for result in first["results"]].count("easy") == 1


def test_distractors_only_push_positives_down(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    (tmp_path / "more").mkdir()
    for index in range(30):
        picture(index % 3 if index < 3 else index, (50, 41)).save(tmp_path / "more" / f"{index}.png")
    alone = evaluate(context("roxford", "official", data, tmp_path / "out"))
    crowded = evaluate(context("roxford", "official", data, tmp_path / "out", distractors=str(tmp_path / "more")))
    assert crowded.metrics["medium_map"] < alone.metrics["medium_map"]
    ranks = np.load(tmp_path / "out" / "ranks.npy")
    assert ranks.max() >= 9 and ranks.shape == (9, 3)


@pytest.mark.parametrize("search", ["exact", "faiss"])
@pytest.mark.parametrize(
    "settings",
    [
        {"feature": "gem"},
        {"feature": "rmac", "scales": [1.0, 0.5]},
        {"expansion": 2, "alpha": 3.0},
        {"whitening": "jpg", "whitening_dim": 4},
        {"feature": "rmac", "scales": [1.0, 0.5], "region_whitening": "rparis6k"},
    ],
)
def test_options_run_and_stay_in_range(tmp_path: Path, settings: dict, search: str) -> None:
    data = write_revisitop(tmp_path)
    if "whitening" in settings:
        settings = {**settings, "whitening": str(data / "jpg")}
    if "region_whitening" in settings:  # the name of a data set is the folder beside the data
        shutil.copytree(data / "jpg", data.parent / "rparis6k")
    scores = evaluate(
        context("roxford", "dino", data, tmp_path / "out", "random:vit_mini/4", search=search, **settings)
    )
    assert all(0 <= value <= 100 for value in scores.metrics.values())


def test_features_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_revisitop(tmp_path)
    first = evaluate(context("roxford", "dino", data, tmp_path / "out"))
    monkeypatch.setattr("dinobench.evaluators.common.ranking.descriptors.Describer.__call__", None)
    assert evaluate(context("roxford", "dino", data, tmp_path / "out")).metrics == first.metrics


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    with pytest.raises(InputError, match="less than a patch of 16"):
        evaluate(context("roxford", "dino", data, tmp_path / "out", "random:vit_tiny/16", image_size=12))
    with pytest.raises(InputError, match="unknown pooling"):
        evaluate(context("roxford", "dino", data, tmp_path / "out", feature="best"))
    with pytest.raises(InputError, match="region_whitening belongs to feature = rmac"):
        evaluate(context("roxford", "dino", data, tmp_path / "out", region_whitening="rparis6k"))
    with pytest.raises(InputError, match="scales"):
        evaluate(context("roxford", "dino", data, tmp_path / "out", scales=[0.0]))
    (data / "jpg" / "scene0_easy.jpg").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"scene0_easy\.jpg"):
        evaluate(context("roxford", "dino", data, tmp_path / "out", image_size=100))


def _edit(data: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = data / "gnd_roxford5k.pkl"
    truth = pickle.loads(path.read_bytes())  # this test's own file
    change(truth)
    path.write_bytes(pickle.dumps(truth, protocol=2))


@pytest.mark.parametrize(
    ("box", "says"), [([400, 300, 800, 700], "outside the image"), ([0.1, 0.1, 0.9, 0.8], "in fractions")]
)
def test_boxes_off_the_image_are_refused_with_the_query(tmp_path: Path, box: list[float], says: str) -> None:
    data = write_revisitop(tmp_path)
    _edit(data, lambda truth: truth["gnd"][1].update(bbx=box))
    with pytest.raises(InputError, match=rf"query 1, query1, is .*{says}.* 90 x 60"):
        evaluate(context("roxford", "official", data, tmp_path / "out"))
    assert evaluate(context("roxford", "dino", data, tmp_path / "out")).metrics  # which does not crop


def test_one_image_asked_for_twice_is_two_queries_on_file(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    _edit(data, lambda truth: truth["qimlist"].__setitem__(1, truth["qimlist"][2]))
    evaluate(context("roxford", "official", data, tmp_path / "out"))
    kept = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert kept["image"].tolist() == ["query0", "query2", "query2#2"]


def test_queries_in_the_database_are_said(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    clean = evaluate(context("roxford", "dino", data, tmp_path / "out"))
    assert not any("of the database" in line for line in clean.warnings)
    shutil.copy(data / "jpg" / "query0.jpg", data / "jpg" / "copy.jpg")
    _edit(data, lambda truth: truth["imlist"].append("copy"))
    scores = evaluate(context("roxford", "dino", data, tmp_path / "out"))
    (line,) = [line for line in scores.warnings if "of the database" in line]
    assert line.startswith("1 of 3 queries are images of the database and not listed as junk: query0;")
    _edit(data, lambda truth: truth["gnd"][0]["junk"].append(9))
    assert not any(
        "of the database" in line for line in evaluate(context("roxford", "dino", data, tmp_path / "out")).warnings
    )


def test_rankings_name_the_files_that_there_are(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    picture(7).save(data / "jpg" / "scene0_easy.png")
    (data / "jpg" / "scene0_easy.jpg").unlink()
    _edit(data, lambda truth: truth["imlist"].__setitem__(0, "scene0_easy.png"))
    evaluate(context("roxford", "dino", data.parent, tmp_path / "out"))
    content = json.loads((tmp_path / "out" / "rankings.json").read_text())
    shown = {result["image"] for query in content["queries"] for result in query["results"]}
    assert "jpg/scene0_easy.png" in shown
    assert all((Path(content["root"]) / name).is_file() for name in shown)
