"""A whole DAVIS folder and a folder of results against the official kit's table."""

from __future__ import annotations

import numpy as np
import pytest

from dinobench.data.layouts import davis
from dinobench.evaluators.video_segmentation.scores import VideoScores, overall, per_object, score_files
from tests.golden.conftest import ROOT, load_golden

TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def expected() -> dict:
    return load_golden("davis_metrics").settings["end_to_end"]


@pytest.fixture(scope="module")
def scores() -> list[VideoScores]:
    root = ROOT / "davis_layout"
    if not root.is_dir():
        pytest.skip(f"no golden case {root}")
    names = davis.sequence_names(root / "DAVIS", "val", "2017")
    return [score_files(davis.read_video(root / "DAVIS", name), root / "results" / name) for name in names]


def test_overall_figures_are_the_kits(expected: dict, scores: list[VideoScores]) -> None:
    got = overall(scores)
    for letter in ("J", "F"):
        for name in ("Mean", "Recall", "Decay"):
            value = got[f"{letter.lower()}_{name.lower()}"] / 100
            assert value == pytest.approx(expected[f"{letter}-{name}"], abs=TOLERANCE)
    assert got["jf_mean"] / 100 == pytest.approx(expected["J&F-Mean"], abs=TOLERANCE)


def test_every_object_scores_as_in_the_kit(expected: dict, scores: list[VideoScores]) -> None:
    got = per_object(scores)
    for letter in ("J", "F"):
        means = expected[f"{letter}_per_object"]
        assert {name: values[f"{letter.lower()}_mean"] / 100 for name, values in got.items()} == pytest.approx(means)
        for statistic in ("recall", "decay"):
            values = [entry[f"{letter.lower()}_{statistic}"] / 100 for entry in got.values()]
            np.testing.assert_allclose(values, expected[f"{letter}_{statistic}_per_object"], atol=TOLERANCE)


def test_frames_are_counted_as_listed(expected: dict, scores: list[VideoScores]) -> None:
    assert {video.name: len(video.frames) + 2 for video in scores} == expected["sequences"]
