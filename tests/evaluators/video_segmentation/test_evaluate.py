"""DAVIS from frames to figures and files, on a tiny folder in the true layout."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinobench.data.masks import palette, read_labels, write_labels
from dinobench.evaluators.base import Scores
from dinobench.evaluators.video_segmentation.evaluate import evaluate, sweep_configs
from dinobench.evaluators.video_segmentation.tally import score_folder
from dinobench.evaluators.video_segmentation.tracking import normalization
from dinobench.models.networks.backbone import Preprocessing
from dinobench.runtime.errors import InputError
from tests.evaluators.toys import context, overflow
from tests.evaluators.videos import write_davis, write_sequence


def scored(data: Path, output: Path, task: str = "davis", **settings: object) -> Scores:
    chosen = {"image_size": 64, "pictures": False, **settings}
    return evaluate(context(task, "paper", data, output, model="random:vit_mini/4", **chosen))


def test_objects_are_followed_better_than_standing_still(tmp_path: Path) -> None:
    scores = scored(write_davis(tmp_path / "data"), tmp_path / "out")
    assert scores.metrics["copy_jf_mean"] < scores.metrics["jf_mean"] <= 100
    assert scores.metrics["empty_jf_mean"] == 0
    assert scores.images == {"val": 12}
    assert sorted(scores.details["objects"]) == ["one_1", "two_1", "two_2"]
    low, high = scores.intervals["jf_mean"]
    assert low <= scores.metrics["jf_mean"] <= high


def test_written_masks_are_indexed_and_score_the_same(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data")
    scores = scored(data, tmp_path / "out")
    first = Image.open(tmp_path / "out" / "masks" / "two" / "00000.png")
    assert first.getpalette()[:12] == palette()[:4].flatten().tolist()
    truth = read_labels(data / "Annotations" / "480p" / "two" / "00000.png")
    np.testing.assert_array_equal(np.asarray(first), truth)
    again = score_folder(tmp_path / "out" / "masks", data)
    assert again.metrics == pytest.approx(scores.metrics)


def test_pictures_and_tables_are_written(tmp_path: Path) -> None:
    scores = scored(write_davis(tmp_path / "data", ["one"]), tmp_path / "out", pictures=True)
    names = {Path(file).name for file in scores.files}
    assert names == {"one.csv", "one.png", "one.gif", "predictions.parquet"}
    assert all(Path(file).stat().st_size > 0 for file in scores.files)
    assert len(list((tmp_path / "out" / "overlays" / "one").glob("*.jpg"))) == 6
    lines = (tmp_path / "out" / "scores" / "one.csv").read_text().splitlines()
    assert lines[0] == "sequence,object,frame,j,f"
    assert len(lines) == 1 + 4


def test_a_sweep_shares_features_and_leaves_the_figure_alone(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one"], frames=4)
    alone = scored(data, tmp_path / "out")
    swept = scored(data, tmp_path / "out", sweep_topk=[1, 5], sweep_feature=["patches", "patches.2"])
    assert swept.metrics == pytest.approx(alone.metrics)
    rows = swept.details["sweep"]
    assert len(rows) == 4
    assert {(row["topk"], row["layer"]) for row in rows} == {(k, layer) for k in (1, 5) for layer in (1, 2)}
    direct = scored(data, tmp_path / "out", topk=1, feature="patches.2")
    (row,) = (row for row in rows if (row["topk"], row["layer"]) == (1, 2))
    assert row["jf_mean"] == pytest.approx(direct.metrics["jf_mean"])
    assert (tmp_path / "out" / "sweep.csv").read_text().count("\n") == 5


def test_a_bad_sequence_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["good", "gap", "blank", "wrong"])
    (data / "Annotations/480p/gap/00003.png").unlink()
    write_labels(data / "Annotations/480p/blank/00000.png", np.zeros((64, 128), dtype=np.uint8))
    write_labels(data / "Annotations/480p/wrong/00000.png", np.ones((32, 64), dtype=np.uint8))
    scores = scored(data, tmp_path / "out")
    assert list(scores.details["sequences"]) == ["good"]
    assert [word for line in scores.warnings for word in ("gap", "blank", "wrong") if word in line] == [
        "gap",
        "blank",
        "wrong",
    ]
    assert scores.not_comparable == ["3 of 4 sequences were not scored"]


def test_no_sequence_at_all_is_an_error(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one"])
    shutil.rmtree(data / "Annotations")
    with pytest.raises(InputError, match="no sequence could be scored"):
        scored(data, tmp_path / "out")


def test_portrait_video_and_vanishing_objects(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one"])
    shutil.rmtree(data / "JPEGImages"), shutil.rmtree(data / "Annotations")
    write_sequence(data, "one", 1, 5, (128, 64))
    mask = data / "Annotations/480p/one/00000.png"
    labels = read_labels(mask).copy()
    labels[121, 60] = 2
    write_labels(mask, labels)
    scores = scored(data, tmp_path / "out")
    assert any("object 2 (1 pixels) vanishes" in line for line in scores.warnings)
    assert scores.details["objects"]["one_1"]["j_mean"] > 30


def test_many_vanishing_objects_are_one_warning(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one"])
    mask = data / "Annotations/480p/one/00000.png"
    labels = read_labels(mask).copy()
    labels[63, 100:108] = np.arange(2, 10)
    write_labels(mask, labels)
    (line,) = (line for line in scored(data, tmp_path / "out").warnings if "vanish" in line)
    assert "objects 2 (1 pixels), 3 (1 pixels)" in line
    assert "more vanish" in line


def test_davis2016_has_one_object_per_sequence(tmp_path: Path) -> None:
    scores = scored(write_davis(tmp_path / "data"), tmp_path / "out", task="davis2016")
    assert sorted(scores.details["objects"]) == ["one_1", "two_1"]


def test_any_backbone_with_a_map_serves(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one"], frames=3)
    settings = {"image_size": 64, "pictures": False}
    scores = evaluate(context("davis", "paper", data, tmp_path / "out", model="random:resnet18", **settings))
    assert 0 <= scores.metrics["j_mean"] <= 100


@pytest.mark.parametrize(
    "setting", [{"topk": 0}, {"temperature": 0.0}, {"feature": "patches.99"}, {"normalization": "none"}]
)
def test_senseless_settings_are_refused(setting: dict, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        scored(write_davis(tmp_path / "data", ["one"]), tmp_path / "out", **setting)


def test_the_released_slip_applies_to_imagenet_statistics_alone() -> None:
    assert normalization(Preprocessing(), "released")[1] == (0.228, 0.224, 0.225)
    assert normalization(Preprocessing(), "model")[1] == (0.229, 0.224, 0.225)
    assert normalization(Preprocessing(std=(0.5, 0.5, 0.5)), "released")[1] == (0.5, 0.5, 0.5)


def test_the_protocols_own_way_comes_first(tmp_path: Path) -> None:
    settings = context("davis", "paper", tmp_path, tmp_path, sweep_topk=[10, 5, 3]).settings
    assert [config.propagation.topk for config in sweep_configs(settings)] == [5, 10, 3]


def test_a_network_that_overflows_gets_no_figure(tmp_path: Path) -> None:
    given = context("davis", "paper", write_davis(tmp_path / "data", ["one"]), tmp_path / "out", "random:vit_mini/4")
    given.settings = dataclasses.replace(given.settings, image_size=64, pictures=False)
    overflow(given.model)
    with pytest.raises(InputError, match=r"patch features are not finite.*check its weights"):
        evaluate(given)
