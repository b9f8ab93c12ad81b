"""File names that people have: no UTF-8, quotes, newlines; a figure, predictions, a record that is read again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinobench.cli.main import main
from dinobench.results.records import RecordStore

NAMES = ["caf\udce9.png", 'a "q", b.png', "new\nline.png", "=1+1.png"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "dat\udce9n"
    for split in ("train", "val"):
        for label in ("one", "tw\udcf6"):
            (root / split / label).mkdir(parents=True)
            for name in NAMES:
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / split / label / name)
    return root


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("task, settings", [("knn", ["ks=[1]", "main_k=1"]), ("linear@cached", ["epochs=1"])])
def test_predictions_and_records_hold_them(task: str, settings: list[str], folder: Path, tmp_path: Path) -> None:
    changes = [part for setting in [*settings, "predictions=true"] for part in ("--set", setting)]
    records = tmp_path / "records"
    arguments = ["--task", task, "--model", "pixels", "--data", str(folder), "--output", str(records)]
    done = run("eval", *arguments, *changes)
    assert done.exit_code == 0, done.output
    (record,) = RecordStore(records)
    assert record.data.spec.endswith("dat\\xe9n")
    (predictions,) = records.glob("files/*/predictions.parquet")
    assert any(name.endswith(r"caf\xe9.png") for name in pd.read_parquet(predictions)["image"])
    again = run("eval", *arguments, *changes, "--set", "seed=1")
    assert again.exit_code == 0, again.output
    assert run("tables", "--results", str(records)).exit_code == 0


def test_names_are_paired_by_compare(folder: Path, tmp_path: Path) -> None:
    stores = []
    for model in ("pixels", "random:vit_mini/4"):
        store = tmp_path / model.replace("/", "-")
        changes = ["--set", "ks=[1]", "--set", "main_k=1", "--set", "predictions=true"]
        done = run("eval", "--task", "knn", "--model", model, "--data", str(folder), "--output", str(store), *changes)
        assert done.exit_code == 0, done.output
        stores.append(next(iter(store.glob("*.json"))))
    shown = run("compare", *map(str, stores))
    assert shown.exit_code == 0, shown.output
    assert "8 images" in shown.output
