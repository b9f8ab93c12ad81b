"""`dinobench eval` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from tests.conftest import shared_data


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def small_folder(target: Path, per_class: int = 6, classes: int = 3) -> Path:
    """A few real CIFAR images in class folders."""
    source = shared_data("cifar10")
    for split in ("train", "val"):
        for folder in sorted((source / split).iterdir())[:classes]:
            for image in sorted(folder.iterdir())[:per_class]:
                place = target / split / folder.name
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(image, place)
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "data")


@pytest.mark.parametrize("model", ["pixels", "random:vit_mini/4"])
def test_a_score_becomes_a_record_and_a_row(model: str, folder: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    arguments = ("--model", model, "--data", folder, "--set", "ks=[1, 5]", "--set", "main_k=5")
    done = run("eval", "--task", "knn", *arguments, "--output", records)
    assert done.exit_code == 0, done.output
    assert "comparable with the paper: no, because" in done.output
    (path,) = records.glob("*.json")
    record = json.loads(path.read_text())
    assert 0 <= record["metrics"]["top1"] <= 100
    assert record["data"]["splits"]["train"]["images"] == 18
    assert record["model"]["sha256"]
    table = run("tables", "--table", "2", "--results", records).output
    assert f"{record['metrics']['top1']:.1f}" in table


def test_json_on_stdout_is_json_alone(folder: Path, tmp_path: Path) -> None:
    arguments = (
        "--model",
        "pixels",
        "--data",
        folder,
        "--set",
        "ks=5",
        "--set",
        "main_k=5",
        "--output",
        tmp_path / "r",
    )
    done = run("eval", "--task", "knn", *arguments, "--json", "-")
    assert json.loads(done.stdout)["task"] == "knn"


def test_the_same_run_twice_gives_the_same_figures(folder: Path, tmp_path: Path) -> None:
    figures = []
    for name in ("a", "b"):
        arguments = ("--model", "random:vit_mini/4", "--data", folder, "--set", "ks=5", "--set", "main_k=5")
        done = run("eval", "--task", "knn", *arguments, "--output", tmp_path / name, "--json", "-")
        figures.append(json.loads(done.stdout)["metrics"])
    assert figures[0] == figures[1]


def test_a_run_is_scored_on_the_data_it_was_trained_on(folder: Path, tmp_path: Path) -> None:
    settings = ("epochs=1", "warmup_epochs=0", "batch_size=6", "out_dim=32", "knn_every=0")
    changes = [part for setting in settings for part in ("--set", setting)]
    assert run("train", "--data", folder, "--output", tmp_path / "run", *changes).exit_code == 0
    arguments = ("--model", tmp_path / "run", "--set", "ks=5", "--set", "main_k=5", "--output", tmp_path / "r")
    done = run("eval", "--task", "knn", *arguments, "--json", "-")
    assert json.loads(done.stdout)["data"]["spec"] == str(folder)


def test_a_dry_run_says_what_would_run_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    done = run("eval", "--task", "knn", "--model", "pixels", "--data", folder, "--output", records, "--dry-run")
    assert done.exit_code == 0
    assert "knn@paper" in done.output
    assert "18 images" in done.output
    assert not records.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "kn", "--model", "pixels"), "did you mean knn"),
        (("--task", "knn", "--model", "absent/file.pth"), "absent/file.pth"),
        (("--task", "knn", "--model", "random:vit_smal/16"), "vit_small/16"),
        (("--task", "knn", "--model", "pixels", "--data", "absent/folder"), "no folder absent/folder"),
        (("--task", "knn", "--model", "pixels", "--protocol", "papr"), "did you mean paper"),
        (("--task", "knn", "--model", "pixels", "--set", "temprature=1"), "did you mean temperature"),
        (("--task", "knn", "--model", "pixels", "--set", "device=cuda:77"), "device"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], message: str, folder: Path, tmp_path: Path
) -> None:
    data = () if "--data" in arguments else ("--data", folder)
    done = run("eval", *arguments, *data, "--output", tmp_path / "records")
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not list(tmp_path.glob("records/*.json"))


def test_without_a_model_or_a_run_the_user_is_told_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("eval", "--task", "knn")
    assert done.exit_code == 2
    assert "dinobench train" in done.output


def test_classes_that_differ_between_the_splits_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "val" / "airplane").rename(folder / "val" / "aeroplane")
    done = run("eval", "--task", "knn", "--model", "pixels", "--data", folder, "--output", tmp_path / "records")
    assert done.exit_code == 2
    assert "aeroplane" in done.output


@pytest.mark.parametrize("name", ["truncated.jpg", "empty.jpg", "text.jpg", "ukbench09268_corrupt.jpg"])
def test_a_broken_image_is_named(name: str, folder: Path, tmp_path: Path) -> None:
    shutil.copy(shared_data("broken", name), folder / "val" / "airplane" / name)
    arguments = ("--model", "pixels", "--data", folder, "--set", "ks=5", "--set", "main_k=5")
    done = run("eval", "--task", "knn", *arguments, "--output", tmp_path / "records")
    assert done.exit_code == 2
    assert name in done.output
    assert not list(tmp_path.glob("records/*.json"))
