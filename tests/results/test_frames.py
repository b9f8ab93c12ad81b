from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import dinobench
from dinobench.results.records import RecordStore
from dinobench.runtime.errors import InputError
from tests.results.factory import make_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two records of the released ViT-S/16, one of them failed, and one of another model."""
    store = RecordStore(tmp_path)
    store.add(make_record(intervals={"top1": (74.0, 75.0)}, seconds={"total": 12.5}))
    store.add(make_record(task="linear", main_metric="top1_best", metrics={}, error="disk full"))
    other = {"name": "mine", "sha256": "ef" * 32, "family": "dinobench"}
    store.add(make_record(model=other, metrics={"top1": 50.0}, comparable=False, because=("mini",)))
    return tmp_path


def test_one_row_per_record_and_metric_with_the_published_figure(folder: Path) -> None:
    frame = dinobench.records(folder)
    assert len(frame) == 4
    (row,) = frame[(frame["model"] == "dino_vits16") & (frame["metric"] == "top1")].to_dict("records")
    assert (row["value"], row["low"], row["published"], row["seconds"]) == (74.46, 74.0, 74.5, 12.5)
    assert row["difference"] == pytest.approx(-0.04)
    assert frame[frame["error"] != ""]["metric"].tolist() == [""]
    assert frame[frame["model"] == "mine"]["because"].tolist() == ["mini"]


def test_a_condition_may_name_a_metric_and_a_wrong_column_is_one_line(folder: Path) -> None:
    assert dinobench.records(folder, where="top1 > 60")["model"].tolist() == ["dino_vits16"]
    assert dinobench.records(folder, where="family == 'dinobench'")["value"].tolist() == [50.0]
    with pytest.raises(InputError, match="did you mean family"):
        dinobench.records(folder, where="famly == 'x'")
    with pytest.raises(InputError, match="is not a condition"):
        dinobench.records(folder, where="value >")


def test_wide_has_a_row_per_model(folder: Path) -> None:
    wide = dinobench.records(folder, wide=True)
    assert wide.loc["mine", ("knn", "top1")] == 50.0
    assert set(wide.index) == {"dino_vits16", "mine"}


def test_no_record_is_an_empty_frame_with_its_columns(tmp_path: Path) -> None:
    frame = dinobench.records(tmp_path)
    assert (len(frame), "value" in frame.columns) == (0, True)


def test_published_figures_are_numbers() -> None:
    frame = dinobench.published("2")
    (value,) = frame[(frame["method"] == "DINO") & (frame["arch"] == "ViT-S/16")]["knn_top1"]
    assert value == 74.5
    assert set(dinobench.published("all")["table"]) == {str(number) for number in range(2, 10)}


def test_each_protocol_has_its_own_published_figure(tmp_path: Path) -> None:
    own = {"name": "multigrain_rn50", "card": "multigrain_rn50", "sha256": "ab" * 32}
    for number, name in enumerate(("multigrain-224", "multigrain-800", "textbook")):
        protocol = {"name": name, "version": 1, "hash": f"{number:016x}"}
        made = make_record(task="copydays", model=own, protocol=protocol, metrics={"strong_map": 80.0})
        RecordStore(tmp_path).add(made)
    frame = dinobench.records(tmp_path).set_index("protocol")["published"]
    assert (frame["multigrain-224"], frame["multigrain-800"]) == (75.1, 82.5)
    assert pd.isna(frame["textbook"])


def test_kept_predictions_are_a_frame_and_their_absence_is_said(tmp_path: Path) -> None:
    file = tmp_path / "files" / "run" / "predictions.csv"
    file.parent.mkdir(parents=True)
    pd.DataFrame({"image": ["a.jpg"], "value": [1]}).to_csv(file, index=False)
    path = RecordStore(tmp_path).add(make_record(files=("files/run/predictions.csv",)))
    assert dinobench.predictions(path)["image"].tolist() == ["a.jpg"]
    with pytest.raises(InputError, match="keeps no value of every query"):
        dinobench.per_query(RecordStore(tmp_path).add(make_record(task="roxford")))


def test_the_package_lists_what_it_offers() -> None:
    assert {"records", "evaluate", "knn_classify", "__version__"} <= set(dir(dinobench))
    assert dinobench.__version__[0].isdigit()


def test_a_half_written_parquet_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "files" / "predictions.parquet"
    file.parent.mkdir()
    frame = pd.DataFrame({"image": ["a"] * 100, "value": [1.0] * 100})
    frame.to_parquet(file)
    file.write_bytes(file.read_bytes()[:-20])
    path = RecordStore(tmp_path).add(make_record(files=("files/predictions.parquet",)))
    with pytest.raises(InputError, match=r"cannot read .*predictions\.parquet"):
        dinobench.predictions(path)
