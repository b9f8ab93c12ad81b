"""DAVIS and VOC12 attention from the command line: drawn data, records, scores of written masks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from dinobench.data.registry import get_twin
from tests.evaluators.videos import write_davis

SMALL = ("--model", "random:vit_mini/4", "--set", "image_size=64")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_eval_then_score_the_masks_then_the_table(tmp_path: Path) -> None:
    data, records = write_davis(tmp_path / "data"), tmp_path / "records"
    done = run("eval", "--task", "davis", *SMALL, "--data", data, "--output", records)
    assert done.exit_code == 0, done.output
    assert "copy_jf_mean" in done.output
    (path,) = records.glob("*.json")
    record = json.loads(path.read_text())
    (masks,) = records.glob("files/*/masks")
    scored = run("score", "davis", "--results", masks, "--data", data, "--json", "-")
    assert json.loads(scored.stdout)["metrics"] == pytest.approx(record["metrics"])
    table = run("tables", "--table", "5", "--results", records).output
    assert f"{record['metrics']['jf_mean']:.1f}" in table


def test_the_drawn_voc12_becomes_a_record(tmp_path: Path) -> None:
    get_twin("voc12").write(tmp_path / "voc12")
    arguments = ("--model", "random:vit_mini/4", "--set", "image_size=48", "--data", tmp_path / "voc12")
    done = run("eval", "--task", "voc-attention", *arguments, "--output", tmp_path / "records", "--json", "-")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert {"jaccard_60", "jaccard_80"} <= record["metrics"].keys()
    assert not record["comparable"]


def test_no_mask_folder_is_one_line(tmp_path: Path) -> None:
    data = write_davis(tmp_path / "data", ["one"])
    done = run("score", "davis", "--results", tmp_path / "absent", "--data", data)
    assert done.exit_code == 2
    assert f"there is no folder {tmp_path / 'absent'}" in done.output
    assert "Traceback" not in done.output
