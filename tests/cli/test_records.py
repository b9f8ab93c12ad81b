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
