from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from huggingface_hub import ModelCard, parse_eval_result_entries

from dinobench.cli.main import main
from dinobench.results.records import RecordStore
from tests.results.factory import make_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    records = tmp_path / "records"
    file = records / "files" / "knn" / "predictions.csv"
    file.parent.mkdir(parents=True)
    file.write_text("image,label,predicted,value\na.jpg,cat,cat,1\nb.jpg,cat,dog,0\n")
    store = RecordStore(records)
    store.add(make_record(metrics={"top1": 50.0}, files=("files/knn/predictions.csv",)))
    store.add(make_record(task="davis", main_metric="jf_mean", metrics={"jf_mean": 61.8}, because=("a | b",)))
    store.add(make_record(task="linear", metrics={}, error="boom"))
    return records


def publish(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["publish", *map(str, arguments)])


def test_the_hub_reads_back_what_was_written(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = publish(folder, "--model-repo", "me/mine", "--output", output)
    assert done.exit_code == 0, done.output
    (file,) = (output / ".eval_results").iterdir()
    (entry,) = parse_eval_result_entries(yaml.safe_load(file.read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("ILSVRC/imagenet-1k", "knn", 50.0)
    results = {each.metric_name: each.metric_value for each in ModelCard.load(output / "README.md").data.eval_results}
    assert results == {"knn@paper top1": 50.0, "davis@paper jf_mean": 61.8}
    assert "the data of davis have no name on the Hub" in done.output
    assert list(pd.read_parquet(output / "dinobench" / "predictions.parquet")["predicted"]) == ["cat", "dog"]


def test_the_bundle_is_verified_elsewhere_and_every_changed_file_is_found(folder: Path, tmp_path: Path) -> None:
    publish(folder, "--model-repo", "me/mine", "--output", tmp_path / "out")
    bundle = (tmp_path / "out" / "dinobench").rename(tmp_path / "elsewhere")
    sound = CliRunner().invoke(main, ["verify", str(bundle)])
    assert (sound.exit_code, "SHA256SUMS  sound  4 files" in sound.output) == (0, True)
    for file in [path for path in bundle.rglob("*") if path.is_file()]:
        before = file.read_bytes()
        file.write_bytes(before + b" ")
        found = CliRunner().invoke(main, ["verify", str(bundle)])
        assert (found.exit_code, "SHA256SUMS  NOT SOUND" in found.output) == (1, True), file
        file.write_bytes(before)
    (bundle / "further").touch()
    assert "further is not in SHA256SUMS" in CliRunner().invoke(main, ["verify", str(bundle)]).output


def test_a_dry_run_writes_nothing_and_shows_the_text(folder: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    done = publish(folder, "--model-repo", "me/mine", "--output", tmp_path / "out", "--dry-run")
    assert (done.exit_code, "id: ILSVRC/imagenet-1k" in done.output) == (0, True)
    assert set(tmp_path.rglob("*")) == before


def test_only_push_asks_the_hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", lambda self, name, **_: asked.append(name))
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", lambda self, **about: asked.append(about["repo_id"]))
    monkeypatch.setattr(huggingface_hub, "metadata_update", lambda name, data, **_: asked.append(list(data)))
    publish(folder, "--model-repo", "me/mine", "--output", tmp_path / "a")
    assert asked == []
    done = publish(folder, "--model-repo", "me/mine", "--output", tmp_path / "b", "--push")
    assert asked == ["me/mine", "me/mine", ["tags", "model-index"]], done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model-repo", "me//mine x"), "is not a name on the Hub"),
        (("--model-repo", "me/mine", "--model", "nobody"), "nothing to publish"),
        (("--model-repo", "me/mine", "--output", "."), "holds files already"),
        (("--model-repo", "me/mine", "--dataset", "knn"), "TASK=NAME"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(folder)
    done = publish(folder, *arguments)
    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_records_of_two_networks_are_refused(folder: Path) -> None:
    RecordStore(folder).add(make_record(model={"name": "mine", "sha256": "ef" * 32}))
    done = publish(folder, "--model-repo", "me/mine")
    assert (done.exit_code, "choose by --model" in done.output) == (2, True)
    assert publish(folder, "--model-repo", "me/mine", "--model", "mine", "--dry-run").exit_code == 0


def test_a_file_outside_the_records_is_never_published(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("image,value\na,1\n")
    RecordStore(folder).add(make_record(settings={"k": 1}, files=("../secret.csv",)))
    done = publish(folder, "--model-repo", "me/mine", "--output", tmp_path / "out")
    assert (done.exit_code, "names another folder" in done.output) == (2, True)
