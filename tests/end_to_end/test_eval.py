"""`dinobench eval` as a user types it."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinobench.cli.main import main
from dinobench.data.registry import get_twin
from dinobench.models.loading import shards
from tests.conftest import shared_data
from tests.evaluators.toys import write_copydays


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


def test_a_run_is_scored_on_the_data_it_was_trained_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tasks look into its checkpoint for the data, then it is loaded: opened once in all."""
    settings = ("epochs=1", "warmup_epochs=0", "batch_size=6", "out_dim=32", "knn_every=0")
    changes = [part for setting in settings for part in ("--set", setting)]
    assert run("train", "--data", folder, "--output", tmp_path / "run", *changes).exit_code == 0
    arguments = ("--model", tmp_path / "run", "--set", "ks=5", "--set", "main_k=5", "--output", tmp_path / "r")
    done = run("eval", "--task", "knn", *arguments, "--json", "-")
    assert json.loads(done.stdout)["data"]["spec"] == str(folder)
    opened: list[Path] = []
    open_container = shards.open_container
    monkeypatch.setattr(shards, "open_container", lambda path: (opened.append(path), open_container(path))[1])
    both = ("--task", "knn,linear", *arguments, "--set", "epochs=1")
    assert run("eval", *both, "--dry-run").exit_code == 0
    assert opened == [tmp_path / "run" / "checkpoint.pth"]
    opened.clear()
    assert run("eval", *both).exit_code == 0
    assert opened == [tmp_path / "run" / "checkpoint.pth"]


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
        (("--task", "knn", "--model", "dino_vits1"), "did you mean dino_vits16"),
        (
            ("--task", "knn", "--model", "random:vit_mini/4", "--set", "image_size=-8"),
            "image_size of the model is -8; give",
        ),
        (("--task", "knn", "--model", "pixels", "--json", "."), "it is a folder"),
        (("--task", "knn", "--model", "pixels", "--models-dir", "absent", "--dry-run"), "no folder of cards"),
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


def test_a_trial_with_other_settings_leaves_the_first_record_and_its_files(folder: Path, tmp_path: Path) -> None:
    records = tmp_path / "records"
    common = ("eval", "--task", "knn", "--model", "pixels", "--data", folder, "--output", records,
              "--set", "ks=5", "--set", "main_k=5", "--set", "predictions=true")  # fmt: skip
    assert run(*common).exit_code == 0
    (first,) = records.glob("*.json")
    kept = first.read_text()
    for change in ("image_size=8", "shots=4"):
        assert run(*common, "--set", change).exit_code == 0
    assert run(*common, "--set", "batch_size=7").exit_code == 0  # cannot move the figure: the same record again
    assert len(list(records.glob("*.json"))) == 3
    assert json.loads(first.read_text())["metrics"] == json.loads(kept)["metrics"]
    files = [file for path in records.glob("*.json") for file in json.loads(path.read_text())["files"]]
    assert len(set(files)) == 3
    smaller = next(record for record in map(json.loads, (path.read_text() for path in records.glob("*.json")))
                   if record["deviations"].get("image_size"))  # fmt: skip
    assert "image_size = 8 in place of the model's own" in smaller["because"]


def test_tar_shards_are_scored_like_class_folders(folder: Path, tmp_path: Path) -> None:
    import tarfile

    shards = tmp_path / "shards"
    shards.mkdir()
    for split in ("train", "val"):
        with tarfile.open(shards / f"{split}.tar", "w") as archive:
            archive.add(folder / split, ".")
    scores = []
    for data in (folder, shards):
        target = tmp_path / f"{data.name}.json"
        done = run("eval", "--task", "knn", "--model", "pixels", "--data", data, "--output", tmp_path / "records",
                   "--set", "ks=5", "--set", "main_k=5", "--json", target)  # fmt: skip
        assert done.exit_code == 0, done.output
        scores.append(json.loads(target.read_text()))
    one, other = (each[0] if isinstance(each, list) else each for each in scores)
    assert one["metrics"] == other["metrics"]


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        ("knn", "draws=0", "is 0; give a whole number, at least 1"),
        ("knn", "draws=3", "draws = 3 needs a random part of the training set"),
        ("knn", "temperatures=[]", "at least one temperature"),
        ("knn", "unreadable=foo", "unreadable of knn@paper is 'foo'; give stop or skip"),
        ("knn", "batch_size=0", "batch_size of the run is 0; give a whole number, at least 1"),
        ("knn", "workers=-3", "workers of the run is -3; give a whole number, at least 0"),
        ("knn", "precision=int8", "precision of the run is 'int8'; give fp32 or bf16 or fp16"),
        ("logistic", "draws=0", "is 0; give a whole number, at least 1"),
        ("knn", "which=best", "which = 'best' does nothing to pixels"),
    ],
)
def test_settings_that_make_no_sense_end_in_one_line(
    task: str, change: str, message: str, folder: Path, tmp_path: Path
) -> None:
    sizes = ("--set", "ks=5", "--set", "main_k=5") if task == "knn" else ()
    done = run("eval", "--task", task, "--model", "pixels", "--data", folder, "--output", tmp_path / "records",
               *sizes, "--set", change)  # fmt: skip
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("option", ["--model", "--data"])
def test_an_empty_name_is_no_wish_for_the_default(option: str) -> None:
    done = run("eval", "--task", "knn", option, "")
    assert done.exit_code == 2
    assert "is a shell variable unset?" in done.output


def test_images_to_train_on_are_no_test(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = [Image.new("RGB", (8, 8), (20 * level, 0, 0)) for level in range(8)]
    columns = {"image": pictures, "label": [level % 2 for level in range(8)]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    table = datasets.Dataset.from_dict(columns, features=features)
    table.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(tmp_path / "two")
    for spec in ("one", "two/train"):
        done = run("eval", "--task", "knn", "--model", "pixels", "--data", f"hf:{tmp_path / spec}",
                   "--output", tmp_path / "records", "--set", "ks=1", "--set", "main_k=1")  # fmt: skip
        assert done.exit_code == 2, done.output
        assert "train and val of" in done.output and "are the same images" in done.output


def test_another_number_of_classes_is_no_benchmark(folder: Path, tmp_path: Path) -> None:
    done = run("eval", "--task", "knn", "--model", "pixels", "--data", folder, "--output", tmp_path / "records",
               "--set", "ks=5", "--set", "main_k=5")  # fmt: skip
    assert "3 classes where the benchmark has 1000" in done.output


def test_a_dry_run_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path))
    done = run("eval", "--task", "davis,copydays", "--model", "dino_vits16", "--data", "absent/folder", "--dry-run")
    assert done.exit_code == 2, done.output
    assert "missing: the weights of dino_vits16 are not here" in done.output
    assert done.output.count("missing: no folder absent/folder") == 2
    assert "missing: no model 'absent.pth'" in run("eval", "--task", "knn", "--model", "absent.pth", "--dry-run").output


def test_a_dry_run_counts_what_a_layout_holds(tmp_path: Path) -> None:
    data = write_copydays(tmp_path)
    done = run("eval", "--task", "copydays", "--model", "pixels", "--data", data, "--dry-run")
    assert "strong 4 images" in done.output and "problem: " in done.output


def test_a_dry_run_finds_embedded_data_for_a_task_of_another_layout() -> None:
    done = run("eval", "--task", "finetune-cifar10", "--model", "pixels", "--data", "digits", "--dry-run")
    assert "1437 images" in done.output and "missing" not in done.output


def test_a_setting_of_task_and_model_is_one_reason(tmp_path: Path) -> None:
    data = tmp_path / "flowers"
    get_twin("flowers").write(data)
    done = run("eval", "--task", "finetune-flowers@quick", "--model", "random:vit_mini/8", "--data", data,
               "--output", tmp_path / "records", "--set", "image_size=16", "--set", "epochs=1",
               "--set", "warmup_epochs=0")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.output.count("image_size = 16") == 1


def test_training_images_among_those_to_test_on_are_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, kind, number in itertools.product(("train", "val"), "ab", range(4)):
        place = tmp_path / "data" / split / kind
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{number}.png")
    asked = ("eval", "--task", "knn", "--model", "pixels", "--set", "ks=[1]", "--set", "main_k=1")
    asked += ("--data", tmp_path / "data", "--output", tmp_path / "records")
    assert "training images too" not in run(*asked).output
    for kind in "ab":
        shutil.copy(tmp_path / "data/train" / kind / "0.png", tmp_path / "data/val" / kind / "copy.png")
    assert "warning: 2 of 10 val images are training images too, by content" in run(*asked).output
    shutil.rmtree(tmp_path / "data/val")
    shutil.copytree(tmp_path / "data/train", tmp_path / "data/val")
    assert "8 of 8 val images are training images too" in run(*asked).output


def test_a_model_from_elsewhere_is_not_scored_on_drawn_images_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DINOBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    refused = run("eval", "--task", "knn,davis", "--model", "random:vit_mini/4")
    assert refused.exit_code == 2
    assert (
        "no data for knn; say --data FOLDER (of imagenet, or your own in its layout), or --data mini" in refused.output
    )
    assert not (tmp_path / "results").exists()
    planned = run("eval", "--task", "davis", "--model", "random:vit_mini/4", "--dry-run")
    assert planned.exit_code == 2
    assert "missing: no data for davis" in planned.output
