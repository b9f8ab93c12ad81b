"""Matching between drawn views: geometry, pairs, figures, processes, and data that do not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dinobench.data.check import check_layout
from dinobench.data.layouts import navi
from dinobench.data.posed_views import PosedView, rotation_of
from dinobench.evaluators.base import Scores
from dinobench.evaluators.view_matching.evaluate import evaluate, near_shares
from dinobench.evaluators.view_matching.pairs import angles_between, draw_pairs
from dinobench.evaluators.view_matching.settings import Settings
from dinobench.evaluators.view_matching.squares import object_square, square_of
from dinobench.metrics.surface_matches import moved, ratio_matches
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import assert_processes_agree, context, twin_fixture

MODEL = "random:vit_mini/8"


twin = twin_fixture("navi")


def _evaluate(data: Path, output: Path, **settings: object) -> Scores:
    given = {"image_size": 64, "reduced": 120, **settings}
    return evaluate(context("navi", "probe3d", data, output, MODEL, **given))


def _views(twin: Path) -> list[PosedView]:
    return navi.posed_views(navi.open(twin, "test"))


def test_figures_are_means_over_the_pairs(twin: Path, tmp_path: Path) -> None:
    assert check_layout("navi", twin).problems == ()
    scores = _evaluate(twin, tmp_path)
    kept = pd.read_parquet(tmp_path / "predictions.parquet")
    assert len(kept) == scores.details["pairs"] == 4
    for name, value in scores.metrics.items():
        assert value == pytest.approx(kept[name].mean())
    assert scores.metrics["recall_1cm"] <= scores.metrics["recall_2cm"] <= scores.metrics["recall_5cm"]
    assert scores.metrics["recall_2cm"] > scores.metrics["chance_2cm"] > 0
    assert sum(scores.details["pairs_of_angle"].values()) == 4
    assert (tmp_path / "matches.png").is_file()


def test_processes_share_the_pairs_and_score_as_one(twin: Path, tmp_path: Path) -> None:
    assert_processes_agree(_evaluate, twin, tmp_path)


def test_points_of_one_view_lie_on_the_surface_of_another(twin: Path) -> None:
    one, other = _views(twin)[:2]
    squares = (square_of(view, navi.read_view(view), 128, 120) for view in (one, other))
    placed, there = (torch.from_numpy(square.points.reshape(-1, 3)) for square in squares)
    pose = torch.from_numpy(other.pose @ np.linalg.inv(one.pose)).float()
    apart = torch.cdist(moved(placed[placed[:, 2] > 0], pose), there[there[:, 2] > 0]).min(1).values
    assert apart.median() < 0.002
    shares = near_shares(there[there[:, 2] > 0], there[there[:, 2] > 0] + torch.tensor([0.015, 0, 0]), 200.0)
    assert (shares["recall_1cm"], shares["recall_2cm"]) == (0, 1)


def test_a_photo_turned_by_its_tag_is_read_upright(twin: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    before = _views(data)[0]
    path, (width, height) = before.photo, (160, 120)
    with Image.open(path) as image:
        tag = Image.Exif()
        tag[0x112] = 6
        turned = image.transpose(Image.Transpose.ROTATE_90)
        assert turned.size == (height, width)
        turned.save(path, exif=tag, quality=95)
    assert navi.read_view(before).photo.size == (width, height)


def test_pairs_are_views_of_one_object_within_the_angle(twin: Path) -> None:
    views = _views(twin)
    pairs, alone = draw_pairs(views, Settings(every=1, largest_angle=40.0), 0)
    assert len(pairs) + alone == len(views)
    assert all(views[one].thing == views[other].thing and one != other for one, other in pairs)
    assert all(angles_between(views[one], [views[other]])[0] <= 40 for one, other in pairs)
    assert pairs == draw_pairs(views, Settings(every=1, largest_angle=40.0), 0)[0]
    half = np.sqrt(0.5)
    assert np.allclose(rotation_of(np.array([2 * half, 0, 0, 2 * half])) @ [1, 0, 0], [0, 1, 0])


def test_matches_that_stand_out_come_first() -> None:
    source = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.8, 0.0]])
    target = torch.tensor([[0.0, 2.0, 0.1], [3.0, 0.0, 0.0], [0.0, 1.0, 0.3]])
    rows, columns = ratio_matches(source, target, 2)
    assert (rows.tolist()[0], columns.tolist()[0]) == (0, 1)
    assert len(ratio_matches(source, target, 9)[0]) == 3


def test_the_square_stays_in_the_image() -> None:
    mask = np.zeros((10, 10), bool)
    assert object_square(mask) is None
    mask[2:5, 1:8] = True
    assert object_square(mask) == (slice(0, 6), slice(1, 7))
    mask[:] = False
    mask[7:10, 2:8] = True
    assert object_square(mask) == (slice(4, 9), slice(2, 7))


def _change(entries: list[dict[str, Any]], change: dict[str, Any]) -> None:
    for entry in entries:
        entry["camera"] |= change.pop("camera", {})
        entry |= change
        return


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"camera": {"q": [0, 0, 0, 0]}}, "a camera of 000.jpg that is none"),
        ({"camera": {"t": [0, 1]}}, "has no camera"),
        ({"image_size": []}, "has no camera"),
        ({"filename": "../x.jpg"}, "is not taken as a name"),
        ({"filename": "009.jpg"}, "says nothing of 000.jpg"),
    ],
)
def test_annotations_that_do_not_fit_are_named(
    change: dict[str, Any], message: str, twin: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    path = data / "navi_v1/3d_dollhouse_sink/wild_set/annotations.json"
    entries = json.loads(path.read_text())
    _change(entries, dict(change))
    path.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=message):
        _evaluate(data, tmp_path)


def test_maps_that_do_not_fit_are_named(twin: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(twin, tmp_path / "copy"))
    for path in data.glob("navi_v1/*/wild_set/depth/*.png"):
        Image.fromarray(np.zeros((120, 160), np.uint16)).save(path)
    with pytest.raises(InputError, match="has no two pixels of the object"):
        _evaluate(data, tmp_path)
    Image.fromarray(np.ones((12, 16), np.uint16)).save(_views(data)[0].depth)
    with pytest.raises(InputError, match="is 16 x 12, its photo 160 x 120"):
        _evaluate(data, tmp_path)
    _views(data)[0].depth.unlink()
    with pytest.raises(InputError, match=r"000\.png"):
        navi.open(data, "test")
    with pytest.raises(InputError, match="have no split 'train'"):
        navi.open(twin, "train")
    with pytest.raises(InputError, match="no two photos of an object"):
        _evaluate(twin, tmp_path, largest_angle=0.001)
