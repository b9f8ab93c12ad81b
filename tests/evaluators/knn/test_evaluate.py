from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dinobench.evaluators.knn.evaluate import evaluate
from dinobench.evaluators.knn.settings import Settings
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import resolve

SETTINGS = {
    "ks": [1, 3],
    "main_k": 3,
    "temperatures": [0.07],
    "features": ["cls"],
    "shots": 0,
    "percent": 100.0,
    "subset": "",
    "lists": "",
    "draws": 1,
    "leave_one_out": False,
    "search": "auto",
    "unreadable": "stop",
    "predictions": False,
}


@pytest.fixture
def context(folder_context):
    return folder_context


def _evaluate(context, **changes):
    context.settings = resolve(Settings, {**SETTINGS, **changes}, "test")
    return evaluate(context)


def test_evaluate(context):
    scores = _evaluate(context)
    assert scores.metrics["top1"] == scores.metrics["top1_k1"] == 100.0
    assert scores.intervals["top1"] == (100.0, 100.0)
    assert scores.images == {"train": 24, "val": 10}
    assert set(context.manifests) == {"train", "val"}


def test_every_search_gives_the_same(context):
    pytest.importorskip("faiss")
    names = ["exact", "prefilter", "faiss", "auto"]
    found = [_evaluate(context, search=name, predictions=True, ks=[1, 3, 24], main_k=24) for name in names]
    assert all(each.metrics == found[0].metrics for each in found)
    assert found[0].details["search"] == "exact"
    assert found[2].details["search"] == "faiss"
    with pytest.raises(InputError, match="did you mean faiss"):
        _evaluate(context, search="fais")


def test_sweeps_and_draws(context):
    scores = _evaluate(context, temperatures=[0.07, 1.0], shots=2, draws=3)
    assert {"top1", "top1_k1", "top1_T1", "top5_T1_k1", "top1_std"} <= scores.metrics.keys()


def test_a_k_beyond_the_training_images_is_left_out_and_said(context):
    scores = _evaluate(context, ks=[3, 20, 100], main_k=20, shots=5)
    assert scores.metrics.keys() == {"top1", "top5", "mean_per_class"}
    line = "k = 20, 100 left out: only 10 training images; the figure is at k = 3"
    assert line in scores.warnings and line in scores.not_comparable
    assert _evaluate(context, ks=[3, 100], main_k=3).not_comparable == []
    assert "the figure is at k = 24" in _evaluate(context, ks=[50], main_k=50).warnings[0]


def test_leave_one_out(context):
    scores = _evaluate(context, leave_one_out=True, ks=[1, 23], main_k=1)
    assert scores.metrics["top1"] == 100.0
    assert scores.images == {"train": 24, "val": 24}
    assert "top1_k23" in _evaluate(context, leave_one_out=True, ks=[1, 23, 24], main_k=1).metrics
    with pytest.raises(InputError, match="leave out shots"):
        _evaluate(context, leave_one_out=True, shots=2)


def test_predictions_on_file(context):
    scores = _evaluate(context, predictions=True)
    kept = pd.read_parquet(scores.files[0])
    first = kept.iloc[0][["image", "label", "predicted", "value"]].tolist()
    assert first == ["val/dark/dark_00.png", "dark", "dark", 1]
    assert len(kept) == 10


def test_unreadable_images(context):
    (Path(context.data) / "train" / "dark" / "dark_03.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"1 of 24 images of data/train cannot be read: .*03\.png; repair"):
        _evaluate(context)
    scores = _evaluate(context, unreadable="skip")
    assert scores.images["train"] == 23
    assert "dark_03.png" in scores.warnings[0]
    assert scores.not_comparable


def test_training_images_that_cannot_be_read_are_named_first(context):
    for split in ("train", "val"):
        (Path(context.data) / split / "dark" / "dark_03.png").write_bytes(b"broken")
    lines = _evaluate(context, unreadable="skip").warnings
    assert ["data/train" in line for line in lines] == [True, False]


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"main_k": 5}, "main_k = 5 is not among"), ({"temperatures": [0.0]}, "above 0")],
)
def test_evaluate_refuses(context, changes, says):
    with pytest.raises(InputError, match=says):
        _evaluate(context, **changes)


def test_refuses_other_classes(context):
    (Path(context.data) / "val" / "light").rename(Path(context.data) / "val" / "bright")
    with pytest.raises(InputError, match="class"):
        _evaluate(context)
