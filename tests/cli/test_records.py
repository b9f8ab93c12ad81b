from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from dinobench.results.records import RecordStore
from tests.results.factory import make_record


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["records", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = RecordStore(tmp_path)
    store.add(make_record())
    store.add(make_record(model={"name": "mine", "sha256": "ef" * 32}, metrics={"top1": 50.0}))
    return tmp_path


def test_ls_show_and_best(folder: Path) -> None:
    listed = run("ls", "--results", str(folder)).output
    assert "knn@paper  dino_vits16 on imagenet  top1 74.46 (published 74.5)" in listed
    assert "2 of 2 records" in listed
    assert "mine" not in run("ls", "--results", str(folder), "--where", "top1 > 60").output
    (path,) = folder.glob("*dino_vits16*.json")
    assert "top1                     74.46" in run("show", str(path)).output
    assert "top1 74.46  dino_vits16  of 2" in run("best", "--results", str(folder)).output


READERS = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": pd.read_json}


@pytest.mark.parametrize("style", READERS)
def test_export_reads_back(folder: Path, tmp_path: Path, style: str) -> None:
    target = tmp_path / f"out.{style}"
    done = run("export", "--results", str(folder), "--format", style, "--output", str(target))
    assert "3 rows" in done.output
    assert len(READERS[style](target)) == 3


def test_a_wrong_condition_is_one_line(folder: Path) -> None:
    done = run("ls", "--results", str(folder), "--where", "famly == 1")
    assert (done.exit_code, "did you mean family" in done.output) == (2, True)


def test_a_folder_without_a_published_figure_is_listed(tmp_path: Path) -> None:
    RecordStore(tmp_path).add(make_record(model={"name": "mine", "sha256": "ef" * 32}))
    assert "knn@paper  mine on imagenet  top1 74.46\n" in run("ls", "--results", str(tmp_path)).output


@pytest.mark.parametrize("command", ["ls", "best", "export --output out.csv"])
def test_a_folder_without_records_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*command.split(), "--results", "nowhere")
    assert (done.exit_code, "there is no record in nowhere" in done.output) == (2, True), done.output
    assert list(tmp_path.iterdir()) == []


def test_a_filter_that_leaves_none_leaves_an_empty_list(folder: Path) -> None:
    done = run("best", "--results", str(folder), "--where", "value > 1000")
    assert (done.exit_code, done.output) == (0, "")


def test_a_record_of_a_later_schema_is_one_line_and_stays(folder: Path, tmp_path: Path) -> None:
    (path, *_) = folder.glob("*.json")
    text = path.read_text().replace('"schema": 1', '"schema": 9')
    path.write_text(text)
    for command in ("ls", "best"):
        done = run(command, "--results", str(folder))
        assert (done.exit_code, "has schema 9, newer than 1; update dinobench" in done.output) == (2, True)
    assert path.read_text() == text


def test_a_folder_of_a_name_that_is_too_long_is_one_line() -> None:
    result = CliRunner().invoke(main, ["records", "ls", "--results", "x" * 300])
    assert result.exit_code == 2 and "give a shorter path" in result.output and "Traceback" not in result.output
