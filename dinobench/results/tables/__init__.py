"""The published tables, with our figures beside the published ones."""

from __future__ import annotations

from pathlib import Path

from dinobench.cards import load_models, load_tasks
from dinobench.results.records import RECORDS, RecordStore, warn_if_missing
from dinobench.results.tables.build import Table, build_table, read_published
from dinobench.results.tables.render import render, title
from dinobench.results.tables.specs import select_tables


def build_tables(
    name: str,
    results: Path,
    *,
    tasks_dir: Path | None = None,
    models_dir: Path | None = None,
    tables_dir: Path | None = None,
) -> list[Table]:
    """The table called `name` ("2" to "9", "all", ...), filled from the records in `results`."""
    specs, records = select_tables(name, tables_dir), RecordStore(results).runs()
    tasks, models = load_tasks(tasks_dir), load_models(models_dir)
    return [build_table(spec, read_published(spec.path), records, tasks, models) for spec in specs]


def tables(
    name: str = "all",
    style: str = "markdown",
    results: Path | str = RECORDS,
    *,
    tasks_dir: Path | None = None,
    models_dir: Path | None = None,
    tables_dir: Path | None = None,
) -> str:
    """The tables as text in `style`: markdown, latex, csv or html.

    Raises:
        InputError: unknown table or format, a broken record, or a card that cannot be read.
    """
    warn_if_missing(Path(results), "only the published figures are shown")
    built = build_tables(name, Path(results), tasks_dir=tasks_dir, models_dir=models_dir, tables_dir=tables_dir)
    named = style == "csv" and len(built) > 1  # the other styles have a place for the title
    return "\n".join((f"# {title(table)}\n" if named else "") + render(table, style) for table in built)
