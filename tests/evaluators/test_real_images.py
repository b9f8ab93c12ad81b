"""Real photographs in the ranking tasks' layouts: edited copies of one, and landmarks seen from several places."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
from PIL import Image

from dinobench.evaluators.common.ranking.files import score_retrieval_file
from dinobench.evaluators.copy_detection.evaluate import evaluate as copy_detection
from dinobench.evaluators.retrieval.evaluate import evaluate as retrieval
from tests.conftest import shared_data
from tests.evaluators.toys import context


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))


def copies_of_the_bridge(root: Path) -> Path:
    """Originals: the bridge and unrelated photographs; strong copies: the bridge edited, turned and mirrored."""
    source = shared_data("copies")
    edits = sorted(source.glob("bridge-mods/*.jpg")) + sorted(source.glob("reg-test-input/dih/*.jpg"))
    others = sorted(source.glob("reg-test-input/labelme-subset/*.jpg"))
    for block in ("original", "strong"):
        (root / block).mkdir(parents=True)
    shutil.copy(source / "bridge-mods" / "aaa-orig.jpg", root / "original" / "100000.jpg")
    for number, path in enumerate(others):
        shutil.copy(path, root / "original" / f"2{number:03d}00.jpg")
    for number, path in enumerate(edits):
        shutil.copy(path, root / "strong" / f"1000{number:02d}_{path.stem}.jpg")
    return root


def landmark_set(root: Path) -> Path:
    """Every photograph is a query; the others of its landmark are easy, itself is junk."""
    paths = sorted(shared_data("landmarks").glob("*.jpg"))
    (root / "jpg").mkdir(parents=True)
    for path in paths:
        shutil.copy(path, root / "jpg" / path.name)
    places = [path.stem.rsplit("_", 2)[0] for path in paths]
    truth = [
        {
            "bbx": [0, 0, *Image.open(path).size],
            "easy": [other for other, name in enumerate(places) if name == places[index] and other != index],
            "hard": [],
            "junk": [index],
        }
        for index, path in enumerate(paths)
    ]
    names = [path.stem for path in paths]
    content = {"gnd": truth, "imlist": names, "qimlist": names}
    (root / "gnd_landmarks.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return root


def test_edits_that_keep_the_scene_are_found_by_pixels(tmp_path: Path) -> None:
    data = copies_of_the_bridge(tmp_path / "copies")
    scores = copy_detection(context("copydays", "textbook", data, tmp_path / "out"))
    found = scores.details["average_precision"]["strong"]
    kept = [value for name, value in found.items() if not any(word in name for word in ("rotate", "flip"))]
    assert len(kept) == 13 and min(kept) == 100
    assert scores.metrics["strong_map"] > 80


@pytest.mark.parametrize("model", ["pixels", "random:vit_mini/4"])
def test_landmarks_are_ranked_and_exported(tmp_path: Path, model: str) -> None:
    data = landmark_set(tmp_path / "landmarks")
    scores = retrieval(context("roxford", "native", data, tmp_path / "out", model))
    chance = 100 * 3 / 12  # at best 4 positives among 12 others
    assert chance / 4 < scores.metrics["easy_map"] < 100
    assert "hard_map" not in scores.metrics and any(line.startswith("hard:") for line in scores.warnings)
    again = score_retrieval_file(tmp_path / "out" / "ranks.npy", data / "gnd_landmarks.pkl")
    assert again.metrics == pytest.approx(scores.metrics)
    rankings = json.loads((tmp_path / "out" / "rankings.json").read_text())
    assert rankings["queries"][0]["results"][0]["verdict"] in ("junk", "easy", "miss")
