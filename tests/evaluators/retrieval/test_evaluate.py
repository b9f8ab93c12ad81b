"""Retrieval from images to mAP, on a tiny benchmark in the true layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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
    ],
)
def test_options_run_and_stay_in_range(tmp_path: Path, settings: dict, search: str) -> None:
    data = write_revisitop(tmp_path)
    if "whitening" in settings:
        settings = {**settings, "whitening": str(data / "jpg")}
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
    with pytest.raises(InputError, match="scales"):
        evaluate(context("roxford", "dino", data, tmp_path / "out", scales=[0.0]))
    (data / "jpg" / "scene0_easy.jpg").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"scene0_easy\.jpg"):
        evaluate(context("roxford", "dino", data, tmp_path / "out", image_size=100))
