"""Measures without labels: of a flat folder, by layer, by several processes, and of features that collapsed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinobench.evaluators.base import Scores
from dinobench.evaluators.common.views import Views, ViewSettings
from dinobench.evaluators.label_free.evaluate import evaluate
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, picture
from tests.group import in_processes

MODEL = "random:vit_mini/4"
NAMES = {"rankme", "uniformity", "alpha", "alignment", "lidar"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "images"
    root.mkdir()
    for index in range(20):
        picture(index).save(root / f"{index}.png")
    return root


def _evaluate(folder: Path, **settings: object) -> Scores:
    small = {"view_images": 6, "views": 3, "first_rank": 2}
    return evaluate(context("label-free", "quick", folder, folder.parent / "out", MODEL, **{**small, **settings}))


def test_a_flat_folder_is_measured_by_layer(folder: Path) -> None:
    scores = _evaluate(folder, features=["cls", "mean.2"])
    assert scores.metrics.keys() == NAMES | {f"{name}_mean.2" for name in NAMES}
    assert scores.images == {"train": 20}
    assert 1 < scores.metrics["rankme"] < 20
    assert 1 <= scores.metrics["lidar"] < 6
    low, high = scores.intervals["alignment"]
    assert 0 < low < scores.metrics["alignment"] < high
    assert _evaluate(folder, views=0).metrics.keys() == NAMES - {"alignment", "lidar"}


def test_samples_are_drawn_and_unreadable_images_said(folder: Path) -> None:
    assert _evaluate(folder, samples=7, views=0).images == {"train": 7}
    (folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1 of 21 images .* broken.png.*unreadable=skip"):
        _evaluate(folder)
    assert _evaluate(folder, unreadable="skip").images == {"train": 20}


def test_images_that_are_all_alike_have_rank_one_and_no_alpha(folder: Path) -> None:
    for path in folder.iterdir():
        Image.new("RGB", (32, 32), (90, 120, 200)).save(path)
    scores = _evaluate(folder)
    assert scores.metrics["rankme"] == pytest.approx(1, abs=1e-3)
    assert scores.metrics["uniformity"] == pytest.approx(0, abs=1e-6)
    assert not {"alpha", "lidar"} & scores.metrics.keys()
    assert any("no alpha: 0 eigenvalues" in line for line in scores.warnings)


def test_values_that_exclude_one_another_are_refused(folder: Path) -> None:
    for settings, message in (
        ({"views": 1}, "give 2 or more"),
        ({"first_rank": 9, "last_rank": 9}, "must lie above"),
        ({"features": []}, "features is empty"),
        ({"crop_scale": [0.9, 0.1]}, "is not a range"),
    ):
        with pytest.raises(InputError, match=message):
            _evaluate(folder, **settings)


def test_processes_share_the_views_and_measure_as_one(folder: Path) -> None:
    alone = _evaluate(folder)
    for scores in in_processes(_in_process, 2, folder):
        assert scores.metrics == alone.metrics


def _in_process(number: int, folder: Path) -> Scores:
    return _evaluate(folder)


def test_a_view_is_decided_by_seed_image_and_number() -> None:
    def view(seed: int, index: int, number: int) -> torch.Tensor:
        drawn = Views(ViewSettings(), 16, "bicubic", seed, number)(picture(0), index)
        return torch.from_numpy(np.array(drawn))

    assert torch.equal(view(0, 3, 1), view(0, 3, 1))
    assert not any(torch.equal(view(0, 3, 1), other) for other in (view(1, 3, 1), view(0, 4, 1), view(0, 3, 2)))
