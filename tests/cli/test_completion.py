"""Names that a shell completes, versions, and help that is not cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from dinobench.cli.main import main
from dinobench.results.records import RECORDS, RecordStore
from tests.results.factory import make_record


@pytest.mark.parametrize(
    ("words", "start", "expected"),
    [
        (["eval", "--task"], "davi", "davis"),
        (["eval", "--task"], "knn,davi", "knn,davis"),
        (["eval", "--model"], "dino_vits1", "dino_vits16"),
        (["eval", "--model"], "timm", "timm:"),
        (["eval", "--data"], "copy", "copydays"),
        (["train", "--recipe"], "min", "mini"),
        (["tasks", "show"], "davi", "davis"),
        (["models", "show"], "dino_vits1", "dino_vits16"),
        (["models", "new", "mine", "--weights", "x.pth", "--output", "y"], "--", "--help"),
        (["tasks", "new", "mine", "--from"], "davi", "davis"),
        (["attention", "--model"], "dino_vits1", "dino_vits16"),
        (["features", "export", "--model"], "dino_vits1", "dino_vits16"),
        (["features", "export", "--data"], "copy", "copydays"),
        (["tables", "--table"], "figure", "figure4"),
        (["reproduce", "--models"], "dino_vits8,dino_vits1", "dino_vits8,dino_vits16"),
        (["records", "ls", "--task"], "davi", "davis"),
        (["watch", "runs/x", "--task"], "knn,lin", "knn,linear"),
        (["eval", "--card"], "dino_vits1", "dino_vits16"),
        (["inspect"], "dino_vits1", "dino_vits16"),
        (["score", "davis", "--as"], "stm", "stm_rn50"),
        (["score", "davis", "--data"], "davi", "davis"),
        (["score", "copydays", "--data"], "copy", "copydays"),
        (["score", "copydays", "--measure"], "trap", "trapezoid"),
        (["publish", "records", "--dataset"], "knn-f", "knn-flowers="),
        (["reproduce", "--launcher"], "sl", "slurm"),
        (["data", "check"], "copy", "copydays"),
        (["eval", "--task", "knn", "--set"], "leave", "leave_one_out="),
        (["eval", "--task", "davis", "--set"], "prec", "precision="),
        (["train", "--set"], "warm", "warmup_epochs="),
    ],
)
def test_a_shell_completes_names(words: list[str], start: str, expected: str) -> None:
    found = ShellComplete(main, {}, "dinobench", "_DINOBENCH_COMPLETE").get_completions(words, start)
    assert expected in [item.value for item in found]


@pytest.mark.parametrize(
    "words",
    [
        ["publish"],
        ["verify"],
        ["report", "--results"],
        ["score", "retrieval", "--ranks"],
        ["score", "retrieval", "--gnd"],
        ["score", "copydays", "--ranks"],
        ["reproduce", "--data"],
    ],
)
def test_a_shell_completes_files(words: list[str]) -> None:
    found = ShellComplete(main, {}, "dinobench", "_DINOBENCH_COMPLETE").get_completions(words, "x")
    assert [(item.value, item.type) for item in found] == [("x", "file")]


def test_a_shell_completes_models_of_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = make_record()
    RecordStore(RECORDS).add(record)
    completer = ShellComplete(main, {}, "dinobench", "_DINOBENCH_COMPLETE")
    found = completer.get_completions(["publish", "results/records", "--model"], record.model.name[:2])
    assert [item.value for item in found] == [record.model.name]


def test_a_shell_completes_files_where_no_name_fits() -> None:
    found = ShellComplete(main, {}, "dinobench", "_DINOBENCH_COMPLETE").get_completions(["eval", "--model"], "./x")
    assert [(item.value, item.type) for item in found] == [("./x", "file")]


def test_the_version_names_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinobench.runtime.stamp.git_commit", lambda: "0123abc")
    done = CliRunner().invoke(main, ["--version"])
    assert done.exit_code == 0 and done.output.endswith("(commit 0123abc)\n")


@pytest.mark.parametrize("group", [[], ["tasks"], ["data"]])
def test_summaries_are_whole(group: list[str]) -> None:
    listed = CliRunner().invoke(main, [*group, "--help"]).output.partition("Commands:")[2]
    assert listed and "..." not in listed


def test_two_devices_are_refused() -> None:
    done = CliRunner().invoke(main, ["eval", "--task", "knn", "--device", "cpu", "--set", "device=cuda"])
    assert done.exit_code == 2 and "are two devices; give one" in done.output
