"""A static HTML report: tables, records, training curves and the pictures that evaluations drew."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dinobench.cards import ModelCard, TaskCard, load_models, load_tasks
from dinobench.results.figures.curves import draw_curves, read_log
from dinobench.results.records import RecordStore, RunRecord, warn_if_missing
from dinobench.results.report_pages import Picture, index_page, make_boards, record_page
from dinobench.results.tables.build import Table, build_table, read_published
from dinobench.results.tables.cells import published_figures
from dinobench.results.tables.render import to_html
from dinobench.results.tables.specs import TableSpec, load_tables
from dinobench.runtime.console import notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import atomic_path, write_text_atomically
from dinobench.runtime.names import file_below

PICTURES = {".png", ".gif", ".jpg"}
UNTRAINED = {"pixels", "random"}


def write_report(
    results: Path,
    output: Path,
    runs: Path = Path("runs"),
    *,
    tasks_dir: Path | None = None,
    models_dir: Path | None = None,
    tables_dir: Path | None = None,
) -> Path:
    """Write `output`/index.html and its pictures; return the page's path.

    Raises:
        InputError: there is neither a record nor a run to report on.
    """
    warn_if_missing(results, "the report is of the runs alone")
    records = RecordStore(results).runs()
    logs = sorted(runs.glob("*/log.jsonl"))
    if not records and not logs:
        raise InputError(f"nothing to report: no records in {results} and no runs in {runs}")
    curves = [picture for log in logs if (picture := _draw_curve(log, output, records))]
    known = load_tables(tables_dir), load_tasks(tasks_dir), load_models(models_dir)
    pages = {record.run_key: f"records/{_page_name(record)}.html" for record in records}
    pictures = {record.run_key: list(_copy_pictures(record, results, output)) for record in records}
    for record in records:
        write_text_atomically(output / pages[record.run_key], record_page(record, pictures[record.run_key]))
    boards = make_boards(records, published_figures(known[0].values(), *known[1:]), pages)
    tables = [to_html(table) for table in _filled_tables(known[0], records, *known[1:])]
    page = output / "index.html"
    shown = [picture for each in pictures.values() for picture in each]
    write_text_atomically(page, index_page(boards, tables, curves, shown))
    return page


def _page_name(record: RunRecord) -> str:
    """A file name for the record's page, different for every run."""
    return f"{record.name}-{hashlib.sha256(record.run_key.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _filled_tables(
    specs: Mapping[str, TableSpec],
    records: Sequence[RunRecord],
    tasks: Mapping[str, TaskCard],
    models: Mapping[str, ModelCard],
) -> list[Table]:
    """The tables that a record bears on, each read and built once."""
    about = {cell.table for record in records if record.task in tasks for cell in tasks[record.task].cells}
    chosen = [spec for name, spec in specs.items() if name in about]
    return [build_table(spec, read_published(spec.path), records, tasks, models) for spec in chosen]


def _draw_curve(log: Path, output: Path, records: Sequence[RunRecord]) -> Picture | None:
    entries = read_log(log)
    if not entries:
        return None
    name = log.parent.name
    target = Path("curves") / f"{name}.png"
    draw_curves({name: entries}, output / target, baselines(records, log.parent))
    return Picture(name, target.as_posix())


def baselines(records: Sequence[RunRecord], run: Path) -> dict[str, float]:
    """k-NN figures of raw pixels and random networks on the data on which `run` was scored, by model name."""
    scored = [record for record in records if record.task == "knn" and not record.failed]
    own = {_data_spec(record) for record in scored if Path(record.model.spec).resolve() == run.resolve()}
    untrained = [record for record in scored if record.model.family in UNTRAINED and _data_spec(record) in own]
    return {record.model.name: record.metrics[record.main_metric] or 0.0 for record in untrained}


def _data_spec(record: RunRecord) -> str:
    return record.data.spec


def _copy_pictures(record: RunRecord, results: Path, output: Path) -> Iterable[Picture]:
    for file in record.files:
        if Path(file).suffix not in PICTURES:
            continue
        source = file_below(results, file)
        if source is None:
            notice(f"warning: {record.name} names {file!r:.80}, which is no file below {results}; it is left out")
            continue
        target = Path("pictures") / record.name / source.name
        with atomic_path(output / target) as temporary:
            shutil.copyfile(source, temporary)
        caption = f"{record.task}@{record.protocol.name}, {record.model.name}: {source.stem}"
        yield Picture(caption, target.as_posix())
