"""Each tracker by its own library, where that is installed: by the extras mlflow, trackio and tensorboard."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.results.records import RecordStore
from dinobench.results.track import track_record
from dinobench.runtime import trackers
from dinobench.runtime.errors import InputError
from dinobench.runtime.trackers import OPENERS, numbers_of, open_tracker
from dinobench.training.journal import RunJournal
from tests.results.factory import make_record

NEEDS = "the library is not installed"


def test_a_missing_library_is_one_line_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, what: str, extra: str) -> Any:
        raise InputError(f"{what} needs {name}, which is not installed; pip install 'dinobench[{extra}]'")

    monkeypatch.setattr(trackers, "require_library", missing)
    monkeypatch.chdir(tmp_path)
    for command in ("eval --task knn --model pixels --data mini", "train --output run"):
        done = CliRunner().invoke(main, [*command.split(), "--set", "log=wandb"])
        assert (done.exit_code, "log=wandb needs wandb" in done.output) == (2, True), done.output
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_tracker_is_refused() -> None:
    done = CliRunner().invoke(main, ["eval", "--task", "knn", "--model", "pixels", "--set", "log=visdom"])
    assert (done.exit_code, "log" in done.output) == (2, True)


def test_no_tracker_is_opened_without_the_setting(tmp_path: Path) -> None:
    assert open_tracker("", tmp_path, "run", {}) is None
    assert set(OPENERS) == {"tensorboard", "trackio", "wandb", "mlflow"}


def test_only_finite_numbers_are_logged() -> None:
    assert numbers_of({"step": 3, "loss": 1, "kind": "epoch", "knn": math.nan, "lr": 0.5}) == {"loss": 1.0, "lr": 0.5}


class Remembered:
    """A tracker that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, float], int]] = []
        self.finished = 0

    def log(self, values: Any, step: int) -> None:
        self.told.append((dict(values), step))

    def finish(self) -> None:
        self.finished += 1


def test_a_training_tells_its_tracker_every_line_of_its_log(tmp_path: Path) -> None:
    tracker = Remembered()
    journal = RunJournal(tmp_path, 20, 0, speaking=True, tracker=tracker)
    journal.write({"step": 10, "epoch": 0.5, "loss": 2.0})
    journal.write({"step": 20, "epoch": 1.0, "kind": "epoch", "knn": 30.0})
    journal.close()
    assert tracker.told == [({"epoch": 0.5, "loss": 2.0}, 10), ({"epoch": 1.0, "knn": 30.0}, 20)]
    assert tracker.finished == 1


def test_mlflow_keeps_the_figures_of_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason=NEEDS)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # which newer versions ask for
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    record = make_record(settings={"log": "mlflow", "ks": [20]})
    RecordStore(tmp_path / "records").add(record)
    track_record(record, tmp_path / "records")
    (run,) = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("dinobench").experiment_id])
    assert run.data.metrics["top1"] == 74.46
    assert (run.data.params["model"], run.data.params["ks"]) == ("dino_vits16", "[20]")


def test_trackio_keeps_the_figures_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio", reason=NEEDS)
    tracker = open_tracker("trackio", tmp_path, "my run", {"epochs": 3})
    assert tracker is not None
    tracker.log({"loss": 2.5}, 1)
    tracker.finish()
    (run,) = trackio.Api().runs("dinobench")
    assert run.name == "my run"
    assert list((tmp_path / "trackio").iterdir())


def test_tensorboard_writes_events_below_the_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason=NEEDS)
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=NEEDS)
    tracker = open_tracker("tensorboard", tmp_path, "run", {"epochs": 3})
    assert tracker is not None
    tracker.log({"loss": 2.5}, 7)
    tracker.finish()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(7, 2.5)]
