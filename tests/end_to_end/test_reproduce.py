"""`dinobench reproduce`: a table's cells planned, measured, judged, and not measured twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from dinobench.cli.main import main
from dinobench.models.loading.spec import load_backbone
from dinobench.results.records import read_record

MODEL = """
title = "{name}"
method = "{name}"
architecture = "vit_mini/4"
family = "vit"
source = "me"
license = "MIT"
weights = "{weights}"
{more}
[[rows]]
table = "mini"
method = "{name}"
"""
TASK = """
title = "k-NN"
evaluator = "knn"
dataset = "mini"
layout = "imagefolder"
main_metric = "top1"
source = "me"
default_protocol = "few"
[[cells]]
table = "mini"
column = "top1"
metric = "top1"
[protocols.few]
version = 1
summary = "few"
[protocols.few.settings]
ks = [5]
main_k = 5
"""


@pytest.fixture
def cards(tmp_path: Path) -> list[str]:
    """Options that name a table of three rows: a random network, one to be trained, and one whose file is missing."""
    for folder in ("tables", "tasks", "models"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tables" / "mini.csv").write_text("method,top1\nA,1.0\nB,2.0\nC,3.0\n")
    (tmp_path / "tables" / "tablemini.toml").write_text(
        'title = "Table M"\ncaption = "Mini"\ncsv = "mini.csv"\ntext = [{ name = "method", heading = "Method" }]\n'
        'figures = [{ name = "top1", heading = "Top-1" }]\n'
    )
    (tmp_path / "tasks" / "knn-few.toml").write_text(TASK)
    rows = {"A": ("random:vit_mini/4", ""), "B": ("not released", 'recipe = "mini"'), "C": ("not released", "")}
    for name, (weights, more) in rows.items():
        text = MODEL.format(name=name, weights=weights, more=more or 'because = "lost"')
        (tmp_path / "models" / f"model_{name}.toml").write_text(text)
    folders = ("--tables-dir", "tables"), ("--tasks-dir", "tasks"), ("--models-dir", "models")
    return [part for option, folder in folders for part in (option, str(tmp_path / folder))]


def reproduce(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reproduce", "--table", "mini", *arguments])


def test_a_table_is_planned_measured_judged_and_not_measured_twice(tmp_path: Path, cards: list[str]) -> None:
    common = [*cards, "--output", str(tmp_path / "records"), "--data", "mini"]
    plan = reproduce(*common, "--dry-run").output
    assert "images through the network" in plan
    assert "in all: " in plan
    assert "1 to run, 1 to train, 1 no way" in plan
    assert "no weights: recipe mini trains them (dinobench train --recipe mini)" in plan
    done = reproduce(*common)
    assert done.exit_code == 0, done.output
    assert "knn-few@few  top1" in done.output
    assert "from the published 1.0" in done.output
    assert "no weights are released: lost" in done.output
    again = reproduce(*common, "--strict")
    assert (again.exit_code, "knn-few@few  top1" in again.output) == (1, False)
    assert "1 done" in reproduce(*common, "--dry-run", "--no-estimate").output
    elsewhere = [*cards, "--output", str(tmp_path / "records"), "--data", "digits"]
    assert "1 to run" in reproduce(*elsewhere, "--dry-run", "--no-estimate").output  # the record is of other images


@pytest.mark.parametrize(
    ("file", "found", "written", "line"),
    [
        ("tables/mini.csv", "B,2.0", "B,two", "mini.csv, row 2: top1 is 'two'; give a number, or leave it empty"),
        ("tables/mini.csv", "B,2.0", "B,nan", "mini.csv, row 2: top1 is 'nan'"),
        ("tables/mini.csv", "B,2.0", "B,2.0,9", "mini.csv, line 3: give one value for each of the columns"),
        ("tables/mini.csv", "B,2.0", "B", "mini.csv, line 3: give one value for each of the columns method, top1"),
        ("tables/mini.csv", "method,top1", "method,top5", "names column top1, and"),
        ("tasks/knn-few.toml", 'column = "top1"', 'column = "top5"', "fills column top5 of Table M, which has top1"),
        ("models/model_B.toml", 'method = "B"\n', 'method = "Z"\n', "claims a row of Table M with method = Z; "),
        ("models/model_B.toml", 'method = "B"\n', 'method = "A"\n', "cards model_A and model_B both claim row 1"),
        ("models/model_B.toml", 'method = "B"\n', "method = 7\n", "method of a row is 7; give the text"),
    ],
)
def test_a_table_that_does_not_fit_its_cards_is_refused_in_one_line(
    tmp_path: Path, cards: list[str], file: str, found: str, written: str, line: str
) -> None:
    path = tmp_path / file
    before, place, after = path.read_text().rpartition(found)
    assert place
    path.write_text(before + written + after)
    refused = reproduce(*cards, "--dry-run", "--no-estimate")
    assert (refused.exit_code, line in refused.output, refused.output.count("\n")) == (2, True, 1), refused.output


def test_a_column_that_no_task_fills_is_named(tmp_path: Path, cards: list[str]) -> None:
    table, rows = tmp_path / "tables" / "tablemini.toml", tmp_path / "tables" / "mini.csv"
    table.write_text(table.read_text().replace("}]\n", '}, { name = "map", heading = "mAP" }]\n'))
    rows.write_text("method,top1,map\nA,1.0,\nB,2.0,\nC,3.0,\n")
    assert "table mini: no task fills map\n" in reproduce(*cards, "--dry-run", "--no-estimate").output


def test_a_table_whose_rows_no_card_claims_has_nothing_to_run(tmp_path: Path, cards: list[str]) -> None:
    for path in (tmp_path / "models").iterdir():
        path.unlink()
    refused = reproduce(*cards, "--dry-run")
    assert (refused.exit_code, "no model card claims a row of table mini" in refused.output) == (2, True)


def test_a_rehearsal_is_named_as_one_and_fills_no_cell(tmp_path: Path, cards: list[str]) -> None:
    with (tmp_path / "models" / "model_C.toml").open("a") as card:
        card.write("[settings]\nheads = 3\n")
    rehearse = [*cards, "--output", str(tmp_path / "records"), "--rehearse", "--set", "image_size=32"]
    done = reproduce(*rehearse, "--models", "model_C")
    assert done.exit_code == 0, done.output
    assert "rehearsal_model_C knn-few@few  top1" in done.output
    assert "model_C  top1: rehearsal: drawn weights" in done.output
    assert not {"equals", "differs", "ours"} & set(done.output.split())
    assert "rehearsal" in (tmp_path / "records" / "tables" / "tablemini.md").read_text()
    assert "1 done" in reproduce(*cards, "--output", str(tmp_path / "records"), "--rehearse", "--dry-run").output
    assert "1 done" not in reproduce(*cards, "--output", str(tmp_path / "records"), "--dry-run").output
    real = reproduce(*cards, "--output", str(tmp_path / "records"), "--models", "model_C")
    assert "no weights are released: lost" in real.output
    assert "| C | 3.0 |\n" in real.output  # the published row alone


def test_jobs_go_through_a_queue_one_for_each_model_and_task(tmp_path: Path, cards: list[str]) -> None:
    pytest.importorskip("submitit")
    common = [*cards, "--output", str(tmp_path / "records"), "--data", "mini"]
    done = reproduce(*common, "--launcher", "local")
    assert done.exit_code == 0, done.output
    assert "model_A knn-few@few done, log in " in done.output
    assert "from the published 1.0" in done.output
    assert "--resource belongs to a job" in reproduce(*common, "--resource", "gres=gpu:1").output
    assert "give one of them" in reproduce(*common, "--launcher", "local", "--devices", "cuda:0").output


def test_a_pattern_that_fits_no_model_and_a_row_with_two_owners_are_one_line(tmp_path: Path, cards: list[str]) -> None:
    wrong = reproduce(*cards, "--models", "dino_*", "--dry-run")
    assert (wrong.exit_code, "no model of these tables fits" in wrong.output) == (2, True)
    twin = (tmp_path / "models" / "model_A.toml").read_text()
    (tmp_path / "models" / "model_Z.toml").write_text(twin)
    both = reproduce(*cards, "--dry-run")
    assert (both.exit_code, "model_A and model_Z both claim row 1" in both.output) == (2, True)


def test_every_row_of_the_papers_tables_has_a_card() -> None:
    plan = CliRunner().invoke(main, ["reproduce", "--table", "all", "--dry-run", "--no-estimate"]).output
    assert "in 48 rows" in plan
    assert "no card claims" not in plan


def test_a_row_whose_file_does_not_open_as_released_is_not_called_to_fetch() -> None:
    arguments = ["reproduce", "--table", "all", "--dry-run", "--no-estimate"]
    lines = CliRunner().invoke(main, arguments).output.splitlines()
    states = {line.split()[0]: line for line in lines if "@" in line}
    for card in ("stm_rn50", "simclr_rn50", "simclrv2_rn152w3_sk"):
        assert " by hand " in states[card], states[card]
    assert " to fetch " in states["dino_vits16"]


def test_a_card_without_a_row_is_measured_too(
    tmp_path: Path, cards: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(load_backbone("random:vit_mini/4").backbone.state_dict(), tmp_path / "models" / "mine_a.pth")
    text = MODEL.format(name="mine", weights="mine_a.pth", more="").partition("[[rows]]")[0]
    (tmp_path / "models" / "mine_a.toml").write_text(text + "[settings]\nheads = 3\n")
    missing = MODEL.format(name="none", weights="../runs/none", more="").partition("[[rows]]")[0]
    (tmp_path / "models" / "mine_b.toml").write_text(missing)
    common = [*cards, "--output", str(tmp_path / "records"), "--data", "digits", "--models", "mine_*"]
    done = reproduce(*common, "--set", "ks=[3,5]")
    assert done.exit_code == 0, done.output
    assert "mine_a knn-few@few  top1" in done.output
    assert "mine_b  top1: no weights at ../runs/none" in done.output
    assert "mine_a [" in done.output
    (record,) = (read_record(path) for path in (tmp_path / "records").glob("*.json"))
    assert record.model.source == "models/mine_a.pth"  # none of this machine's folders
    again = reproduce(*common, "--set", "ks=[3,5]", "--dry-run").output
    assert "1 done, 1 no way" in again
    assert "1 to run, 1 no way" in reproduce(*common, "--set", "ks=[5]", "--dry-run").output  # other settings


def test_without_a_network_fetch_says_one_line_a_model(
    tmp_path: Path, cards: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    card = tmp_path / "models" / "model_A.toml"
    card.write_text(card.read_text().replace("random:vit_mini/4", "http://127.0.0.1:9/a.pth"))
    done = reproduce(*cards, "--output", str(tmp_path / "records"), "--data", "mini", "--fetch")
    lines = [line for line in done.output.splitlines() if "model_A is not fetched" in line]
    assert len(lines) == 1, done.output
    assert "Traceback" not in done.output
    assert (done.exit_code, "failed: model_A: " in done.output) == (1, True)


def test_tables_that_cannot_be_written_are_listed_beside_the_jobs_that_failed(tmp_path: Path, cards: list[str]) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "tables").write_text("a file in the way")
    done = reproduce(*cards, "--output", str(tmp_path / "records"), "--data", str(tmp_path / "nowhere"))
    listed = [line for line in done.output.splitlines() if line.startswith("failed: ")]
    assert [line.split(": ")[1] for line in listed] == ["model_A knn-few@few", "tables"], done.output
    assert "records/tables" in listed[1]
    assert "no weights are released: lost" in done.output  # the verdicts are printed before
    assert done.exit_code == 1


def test_a_table_without_a_task_is_one_line(tmp_path: Path, cards: list[str]) -> None:
    (tmp_path / "tasks" / "knn-few.toml").unlink()
    done = reproduce(*cards, "--dry-run")
    assert (done.exit_code, "no task fills a column of table mini" in done.output) == (2, True)
