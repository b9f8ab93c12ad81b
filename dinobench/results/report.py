"""A static HTML report: boards of figures, comparisons, curves, the pictures that evaluations drew, tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from dinobench.cards import ModelCard, TaskCard, load_models, load_tasks
from dinobench.results.compare import compare_with_best
from dinobench.results.labels import model_labels
from dinobench.results.records import RecordStore, RunRecord, warn_if_missing
from dinobench.results.report_boards import Addresses, make_boards
from dinobench.results.report_figures import curve_pictures, forest_plots, speed_pictures
from dinobench.results.report_pages import index_page, model_page, record_page
from dinobench.results.report_pictures import copy_pictures
from dinobench.results.tables.build import OURS, Table, build_table
from dinobench.results.tables.cells import published_figures
from dinobench.results.tables.other_figures import other_figures
from dinobench.results.tables.published import published_rows
from dinobench.results.tables.render import to_html
from dinobench.results.tables.specs import TableSpec, load_tables
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import claim_folder, write_text_atomically

_MARK = "<title>dinobench report</title>"


def write_report(
    results: Path,
    output: Path,
    runs: Path = Path("runs"),
    *,
    tasks_dir: Path | None = None,
    models_dir: Path | None = None,
    tables_dir: Path | None = None,
) -> Path:
    """Write `output`/index.html, a page for each record and each model, and the pictures; return the first page's path.

    Raises:
        InputError: there is neither a record nor a run to report on, or `output` holds other files.
    """
    warn_if_missing(results, "the report is of the runs alone")
    found = RecordStore(results).with_paths()
    logs = sorted(runs.glob("*/log.jsonl"))
    if not found and not logs:
        raise InputError(f"nothing to report: no records in {results} and no runs in {runs}")
    _claim_output(output)
    records = [record for _, record in found]
    specs, tasks, models = load_tables(tables_dir), load_tasks(tasks_dir), load_models(models_dir)
    addresses = _addresses(records)
    boards = make_boards(records, published_figures(specs.values(), tasks, models), addresses)
    curves = curve_pictures(logs, output, records)
    pictures = {record.run_key: list(copy_pictures(record, results, output)) for record in records}
    for path, record in found:
        text = record_page(record, path, pictures[record.run_key], addresses)
        write_text_atomically(output / addresses.records[record.run_key], text)
    for sha256, address in addresses.models.items():
        own = [record for record in records if record.model.sha256 == sha256]
        shown = [picture for record in own for picture in pictures[record.run_key]]
        write_text_atomically(output / address, model_page(own, boards, shown, addresses))
    page = output / "index.html"
    text = index_page(
        boards,
        forest_plots(compare_with_best(records, results, tasks=tasks), addresses.labels, output),
        speed_pictures(records, addresses.labels, output),
        curves,
        [to_html(table) for table in _filled_tables(specs, records, tasks, models)],
        [picture for each in pictures.values() for picture in each],
    )
    write_text_atomically(page, text)
    return page


def _claim_output(folder: Path) -> None:
    """InputError where `folder` holds files that are no report of ours."""
    page = folder / "index.html"
    if not page.is_file() or _MARK not in page.read_text(encoding="utf-8", errors="replace")[:1000]:
        claim_folder(folder)


def _addresses(records: Sequence[RunRecord]) -> Addresses:
    labels = model_labels(record.model for record in records)
    pages = {record.run_key: f"records/{_page_name(record.name, record.run_key)}.html" for record in records}
    models = {
        record.model.sha256: f"models/{_page_name(record.model.name, record.model.sha256)}.html" for record in records
    }
    return Addresses(pages, models, labels)


def _page_name(name: str, key: str) -> str:
    """A file name, different for every key."""
    plain = "".join(letter if letter.isalnum() or letter in "@+-_." else "-" for letter in name)[:150]
    return f"{plain}-{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _filled_tables(
    specs: Mapping[str, TableSpec],
    records: Sequence[RunRecord],
    tasks: Mapping[str, TaskCard],
    models: Mapping[str, ModelCard],
) -> list[Table]:
    """The tables that a record bears on, each read and built once, with verdicts."""
    records = [record for record in records if not record.rehearsal]
    about = {cell.table for record in records if record.task in tasks for cell in tasks[record.task].cells}
    chosen = [spec for name, spec in specs.items() if name in about]
    built = [build_table(spec, published_rows(spec), records, tasks, models, verdicts=True) for spec in chosen]
    other = other_figures(records, tasks, models, verdicts=True, ours_alone=True)
    return [*built, other] if OURS in other.headings else built
