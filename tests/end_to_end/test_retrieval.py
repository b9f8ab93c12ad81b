"""Tables 3 and 4 by the command line on the drawn twins, and rankings scored from files."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dinobench.cli.main import main
from tests.evaluators.toys import write_copydays, write_revisitop


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def records(folder: Path) -> dict[str, dict[str, Any]]:
    found = (json.loads(path.read_text()) for path in folder.glob("*.json"))
    return {record["task"]: record for record in found}


def test_both_tables_on_the_twins(tmp_path: Path) -> None:
    out = tmp_path / "records"
    chosen = ("--set", 'blocks=["strong"]', "--set", "feature=cls", "--set", "image_size=16")
    run("eval", "--task", "table3,table4", "--model", "pixels", "--data", "mini", "--output", str(out), *chosen)
    found = records(out)
    assert set(found) == {"roxford", "rparis", "copydays"}
    assert {record["main_metric"] for record in found.values()} == {"medium_map", "strong_map"}
    for record in found.values():
        assert 0 < record["metrics"][record["main_metric"]] <= 100
        assert not record["comparable"]
        assert all((out / file).is_file() for file in record["files"])
    assert any(file.endswith("gallery.png") for file in found["roxford"]["files"])
    for number, task in (("3", "roxford"), ("3", "rparis"), ("4", "copydays")):
        value = found[task]["metrics"][found[task]["main_metric"]]
        assert f"{value:.1f} (" in run("tables", "--table", number, "--results", str(out))
    report = tmp_path / "report"
    run("report", "--results", str(out), "--output", str(report))
    pages = [page.read_text() for page in (report / "records").glob("*.html")]
    assert sum('gallery.png"' in page and "<img" in page for page in pages) == 2


def test_the_protocol_is_part_of_the_record(tmp_path: Path) -> None:
    data, out = write_revisitop(tmp_path), tmp_path / "records"
    shared = ("eval", "--task", "roxford", "--model", "pixels", "--data", str(data), "--output", str(out))
    run(*shared, "--protocol", "dino")
    record = records(out)["roxford"]
    assert record["protocol"]["name"] == "dino" and record["settings"]["crop_query"] is False
    assert record["because"] == [
        "9 database images where the benchmark has 4993",
        "3 query images where the benchmark has 70",
    ]


def test_exported_rankings_score_as_the_run_did(tmp_path: Path) -> None:
    data, out = write_revisitop(tmp_path), tmp_path / "records"
    run("eval", "--task", "roxford", "--model", "pixels", "--data", str(data), "--output", str(out))
    record = records(out)["roxford"]
    ranks = next(out / file for file in record["files"] if file.endswith("ranks.npy"))
    gnd = data / "gnd_roxford5k.pkl"
    again = json.loads(run("score", "retrieval", "--ranks", str(ranks), "--gnd", str(gnd), "--json", "-"))
    assert again["metrics"] == pytest.approx(record["metrics"])
    assert "medium_map" in run("score", "retrieval", "--ranks", str(ranks), "--gnd", str(gnd))


def test_rankings_of_copies_are_scored(tmp_path: Path) -> None:
    data, ranks = write_copydays(tmp_path), tmp_path / "ranks.json"
    ranks.write_text(json.dumps({"strong": {f"{2000 + number}01": [f"{2000 + number}00"] for number in range(4)}}))
    assert "strong_map               100.00" in run("score", "copydays", "--ranks", str(ranks), "--data", str(data))


def test_bad_input_is_one_line_and_code_2(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path)
    shared = ("eval", "--task", "roxford", "--model", "pixels", "--output", str(tmp_path / "records"))
    (data / "jpg" / "scene1_hard.jpg").unlink()
    missing = run(*shared, "--data", str(data), code=2)
    assert "1 of 9 images" in missing and "scene1_hard.jpg" in missing and missing.count("\n") == 1
    entry = {"bbx": [0, 0, 1, 1], "ok": [0], "junk": []}
    old = {"gnd": [entry], "imlist": ["scene0_easy"], "qimlist": ["query0"]}
    (data / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(old))
    assert "another version" in run(*shared, "--data", str(data), code=2)
    assert "unknown command" in run("score", "retreival", code=2)
    assert "Missing option" in run("score", "retrieval", "--ranks", "x.npy", code=2)


@pytest.mark.slow
def test_two_processes_share_the_features_and_agree(tmp_path: Path) -> None:
    data = write_revisitop(tmp_path, scenes=6)
    script = str(Path(sys.executable).with_name("dinobench"))
    command = [script, "eval", "--task", "roxford", "--model", "random:vit_mini/4", "--data", str(data), "--output"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen([*command, str(tmp_path / name)], env=environment) for name in ("one", "two")]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    one, two = (records(tmp_path / name)["roxford"]["metrics"] for name in ("one", "two"))
    assert one == two
