"""The rehearsal that is kept in the repository: whole, marked as one, and every job that it lacks is named."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from dinobench.pipeline.reproduce import PAPER, REHEARSAL_RECORDS, TablePlan, TableRequest, plan_tables
from dinobench.results.records import RecordStore, RunRecord, content_digest, record_paths
from dinobench.results.tables.published import read_published
from dinobench.results.tables.specs import select_tables

FOLDER = Path(__file__).parents[1] / REHEARSAL_RECORDS
MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def records() -> list[RunRecord]:
    return RecordStore(FOLDER).runs()


@pytest.fixture(scope="module")
def plan() -> TablePlan:
    return plan_tables(TableRequest("all", output=FOLDER, rehearse=True))


def test_every_record_is_whole_and_marked(records: list[RunRecord]) -> None:
    for path in record_paths(FOLDER):
        text = path.read_text(encoding="utf-8")
        assert json.loads(text)["seal"] == content_digest(text), path.name
    for record in records:
        assert record.rehearsal
        assert not record.comparable
        assert not record.failed
        assert record.model.name == f"rehearsal_{record.model.card}"


def test_a_record_names_places_below_the_folder_of_its_command_alone(records: list[RunRecord]) -> None:
    places = {place for each in records for place in (each.model.spec, each.model.source, each.data.spec)}
    assert not [place for place in places if Path(place).is_absolute()]


def test_every_job_was_rehearsed_or_is_named_as_left(plan: TablePlan) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    left = {f"{job.model} {job.name}" for job in plan.jobs if job.state != "done"}
    assert left == set(re.findall(r"^- not run: `(.+)`$", readme, re.MULTILINE))


def test_every_published_row_is_in_the_plan(plan: TablePlan) -> None:
    rows = {(cell.table, cell.row) for cell in plan.cells if cell.model}
    published = {spec.name: read_published(spec.path) for name in PAPER for spec in select_tables(name)}
    assert rows == {(name, row) for name, found in published.items() for row in range(len(found))}


def test_the_tables_hold_every_cell_and_no_figure(plan: TablePlan) -> None:
    with (FOLDER / "tables" / "verdicts.csv").open(newline="", encoding="utf-8") as stream:
        kept = [(row["table"], row["model"], row["column"], row["verdict"]) for row in csv.DictReader(stream)]
    found = plan.verdicts(RecordStore(FOLDER).runs())
    assert kept == [(cell.table, cell.model, cell.column, verdict.kind) for cell, verdict in found]
    assert not {"equal", "within", "differs", "not comparable"} & {verdict.kind for _, verdict in found}
    for name in PAPER:
        assert "rehearsal" in (FOLDER / "tables" / f"table{name}.md").read_text(encoding="utf-8")


def test_nothing_else_is_kept() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "drawn" not in path.relative_to(FOLDER).parts]
    assert {path.suffix for path in files} == {".json", ".csv", ".md"}
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
