"""A static HTML report: tables, records, training curves and the pictures that evaluations drew."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dinobench.cards import ModelCard, TaskCard, load_models, load_tasks
from dinobench.results.figures.curves import draw_curves, read_log
from dinobench.results.records import RecordStore, RunRecord, warn_if_missing
from dinobench.results.tables.build import Table, build_table, read_published
from dinobench.results.tables.render import to_html
from dinobench.results.tables.specs import TableSpec, load_tables
from dinobench.runtime.console import notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_text_atomically

PICTURES = {".png", ".gif", ".jpg"}
UNTRAINED = {"pixels", "random"}


@dataclass(frozen=True)
class Picture:
    """An image of the report, `path` relative to its index.html."""

    caption: str
    path: str


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
    curves = [picture for log in logs if (picture := _curve(log, output, records))]
    pictures = [picture for record in records for picture in _copied(record, results, output)]
    known = load_tasks(tasks_dir), load_models(models_dir)
    tables = [to_html(table) for table in _filled_tables(load_tables(tables_dir), records, *known)]
    page = output / "index.html"
    write_text_atomically(page, _page(records, tables, curves, pictures))
    return page


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


def _curve(log: Path, output: Path, records: Sequence[RunRecord]) -> Picture | None:
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
    own = {_data(record) for record in scored if Path(record.model.spec).resolve() == run.resolve()}
    untrained = [record for record in scored if record.model.family in UNTRAINED and _data(record) in own]
    return {record.model.name: record.metrics[record.main_metric] or 0.0 for record in untrained}


def _data(record: RunRecord) -> str:
    return record.data.spec


def _copied(record: RunRecord, results: Path, output: Path) -> Iterable[Picture]:
    for file in record.files:
        source = results / file
        if source.suffix not in PICTURES:
            continue
        if not source.resolve().is_relative_to(results.resolve()):
            notice(f"warning: {record.name} names {file}, which is outside {results}; it is left out of the report")
            continue
        if not source.is_file():
            continue
        target = Path("pictures") / record.name / source.name
        (output / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, output / target)
        caption = f"{record.task}@{record.protocol.name}, {record.model.name}: {source.stem}"
        yield Picture(caption, target.as_posix())


def _page(
    records: Sequence[RunRecord], tables: Sequence[str], curves: Sequence[Picture], pictures: Sequence[Picture]
) -> str:
    from jinja2 import Environment
    from markupsafe import Markup

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_TEMPLATE)
    safe = [Markup(table) for table in tables]  # to_html has escaped them
    return template.render(records=records, tables=safe, curves=curves, pictures=pictures)


_TEMPLATE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>dinobench report</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; margin: 1.5rem 0 .5rem; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem }
th, td { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #e4e4e4 }
thead th { border-bottom: 1.5px solid #1a1a1a }
.note { margin: 0; font-size: .85rem; color: #555 }
figure { display: inline-block; margin: 1rem 1rem 1rem 0; vertical-align: top }
img { max-width: 100%; height: auto }
figcaption { font-size: .85rem; color: #555 }
.failed { color: #a40000 }
</style></head><body>
<h1>dinobench report</h1>
{% macro gallery(title, pictures) %}
{% if pictures %}
<h2>{{ title }}</h2>
{% for picture in pictures %}
<figure><img src="{{ picture.path }}" alt="{{ picture.caption }}">
<figcaption>{{ picture.caption }}</figcaption></figure>
{% endfor %}
{% endif %}
{% endmacro %}
{% if tables %}
<h2>Tables</h2>
{% for table in tables %}{{ table }}{% endfor %}
{% endif %}
{% if records %}
<h2>Records</h2>
<table><thead><tr>
{% for heading in ("Task", "Model", "Data", "Figure", "Comparable with the paper", "Date") %}
<th>{{ heading }}</th>
{% endfor %}
</tr></thead>
{% for record in records %}
<tr><td>{{ record.task }}@{{ record.protocol.name }}</td><td>{{ record.model.name }}</td><td>{{ record.data.spec }}</td>
{% if record.failed %}
<td class="failed" colspan="2">{{ record.error }}</td>
{% else %}
<td>{{ record.main_metric }} {{ "%.2f"|format(record.metrics[record.main_metric] or 0) }}</td>
<td>{{ "yes" if record.comparable else "no: " ~ record.because|join("; ") }}</td>
{% endif %}
<td>{{ record.date }}</td></tr>
{% endfor %}
</table>
{% endif %}
{{ gallery("Training curves", curves) }}
{{ gallery("Pictures", pictures) }}
</body></html>
"""
