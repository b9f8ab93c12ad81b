"""The paper's tables, every published figure with ours beside it."""

from __future__ import annotations

from pathlib import Path

from dinobench.cards import load_models, load_tasks, packaged
from dinobench.results.records import RECORDS, RecordStore, warn_if_missing
from dinobench.results.tables.build import Table, build_table, read_published
from dinobench.results.tables.render import render, title
from dinobench.results.tables.specs import select_tables


def build_tables(
    name: str, results: Path, *, tasks_dir: Path | None = None, models_dir: Path | None = None
) -> list[Table]:
    """The table called `name` ("2" to "9", "all", ...), filled from the records in `results`."""
    specs, records = select_tables(name), RecordStore(results).runs()
    tasks, models, published = load_tasks(tasks_dir), load_models(models_dir), packaged("results/published")
    return [build_table(spec, read_published(published / spec.csv), records, tasks, models) for spec in specs]


def tables(
    name: str = "all",
    style: str = "markdown",
    results: Path = RECORDS,
    *,
    tasks_dir: Path | None = None,
    models_dir: Path | None = None,
) -> str:
    """The tables as text in `style`: markdown, latex, csv or html.

    Raises:
        InputError: unknown table or format, or a broken record.
    """
    warn_if_missing(results, "only the published figures are shown")
    built = build_tables(name, results, tasks_dir=tasks_dir, models_dir=models_dir)
    named = style == "csv" and len(built) > 1  # the other styles have a place for the title
    return "\n".join((f"# {title(table)}\n" if named else "") + render(table, style) for table in built)
