"""Warped views of a flat folder, by one and by two processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dinobench.evaluators.base import Scores
from dinobench.evaluators.homography_matching.evaluate import evaluate, warped_pair
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, overflow, picture
from tests.group import in_processes

MODEL = "random:vit_mini/8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for index in range(6):
        picture(index, (80, 64)).save(tmp_path / "images" / f"{index}.png")
    return tmp_path / "images"


def _evaluate(folder: Path, **settings: object) -> Scores:
    return evaluate(
        context("homography", "quick", folder, folder.parent / "out", MODEL, **{"image_size": 64, **settings})
    )


def test_recall_lies_between_staying_put_and_the_grid(folder: Path) -> None:
    scores = _evaluate(folder, distances=[0.09, 0.04])
    assert list(scores.metrics) == ["recall_9", "grid_9", "still_9", "recall_4", "grid_4", "still_4"]
    assert (
        scores.metrics["still_4"] < scores.metrics["recall_4"] <= scores.metrics["grid_4"] <= scores.metrics["grid_9"]
    )
    assert scores.metrics["grid_9"] == pytest.approx(100)
    assert scores.images == {"train": 6}
    assert len(pd.read_parquet(folder.parent / "out" / "predictions.parquet")) == 6
    assert _evaluate(folder, samples=2).images == {"train": 2}


def test_processes_share_the_images_and_score_as_one(folder: Path) -> None:
    alone = _evaluate(folder)
    for scores in in_processes(_in_process, 2, folder):
        assert (scores.metrics, scores.intervals) == (alone.metrics, alone.intervals)


def _in_process(number: int, folder: Path) -> Scores:
    return _evaluate(folder)


def test_a_view_shows_what_the_homography_says(folder: Path) -> None:
    given = context("homography", "quick", folder, folder.parent, MODEL, image_size=64)
    images = given.dataset("train")
    pixels, view, homography = warped_pair(images, 0, given.settings, 0)
    rows, columns = np.mgrid[8:56:4, 8:56:4]
    points = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)])
    places = homography @ points
    x, y = np.rint(places[:2] / places[2]).astype(int)
    shown = pixels[rows.ravel(), columns.ravel()].astype(int)
    assert np.abs(view[y, x].astype(int) - shown).mean() < 6
    assert np.array_equal(view, warped_pair(images, 0, given.settings, 0)[1])


def test_settings_and_networks_that_do_not_fit_are_refused(folder: Path) -> None:
    for settings, message in (
        ({"image_size": 60}, "not a multiple"),
        ({"layer": 9}, "layer = 9 of a model with 4 blocks"),
        ({"distances": []}, "distances is empty"),
        ({"shift": 0.5}, "shift"),
    ):
        with pytest.raises(InputError, match=message):
            _evaluate(folder, **settings)
    broken = context("homography", "quick", folder, folder.parent / "out", MODEL, image_size=64)
    overflow(broken.model)
    with pytest.raises(InputError, match="are not finite"):
        evaluate(broken)
