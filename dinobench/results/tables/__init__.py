"""The published tables, with our figures beside the published ones."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinobench.cards import load_models, load_tasks
from dinobench.results.records import RECORDS, RecordStore, RunRecord, warn_if_missing
from dinobench.results.tables.build import Table, build_table
from dinobench.results.tables.choose import choose, refuse_unknown_rows
from dinobench.results.tables.latex import TEXT_WIDTH, to_latex
from dinobench.results.tables.other_figures import other_figures
from dinobench.results.tables.published import published_rows
from dinobench.results.tables.render import render, title, to_csv
from dinobench.results.tables.specs import OTHER, select_tables
from dinobench.runtime.console import notice

if TYPE_CHECKING:
    import pandas as pd

WITH_VERDICTS = ("csv", "html")
"""Formats with a column of verdicts."""


def build_tables(
    name: str,
    results: Path,
    *,
    tasks_dir: Path | str | None = None,
    models_dir: Path | str | None = None,
    tables_dir: Path | str | None = None,
    verdicts: bool = False,
    rehearsal: bool = False,
) -> list[Table]:
    """The table called `name` ("2" to "9", "all", "other", ...), filled from the records in `results`."""
    records = RecordStore(results).runs()
    tasks, models = load_tasks(tasks_dir), load_models(models_dir)
    _say_left_out(records, results, rehearsal)
    if name == OTHER:
        return [other_figures(records, tasks, models, verdicts=verdicts)]
    specs = select_tables(name, tables_dir)
    return [
        build_table(spec, published_rows(spec), records, tasks, models, verdicts=verdicts, rehearsal=rehearsal)
        for spec in specs
    ]


def _say_left_out(records: Sequence[RunRecord], results: Path, rehearsal: bool) -> None:
    count = sum(record.rehearsal is not rehearsal for record in records)
    if count:
        kind = "of real runs" if rehearsal else "of rehearsals, whose weights are drawn,"
        notice(f"{count} records {kind} in {results} stand in no such table")


def tables(
    name: str = "all",
    style: str = "markdown",
    results: Path | str = RECORDS,
    *,
    tasks_dir: Path | str | None = None,
    models_dir: Path | str | None = None,
    tables_dir: Path | str | None = None,
    rows: str = "",
    columns: str = "",
    intervals: bool = False,
    bold: bool = False,
    width: float = TEXT_WIDTH,
) -> str:
    """The tables as text in `style`: markdown, latex, csv or html.

    Args:
        name: of one table, "all", or "other" for the figures of the model cards.
        style: of the text.
        results: folder of the records.
        tasks_dir: folder with further task cards; likewise the two behind it.
        models_dir: see above.
        tables_dir: see above.
        rows: patterns of the rows to keep, "ours" for those with a figure of ours.
        columns: patterns of the figures to keep.
        intervals: LaTeX alone: our 95% intervals in columns of their own.
        bold: LaTeX alone: the best figure of each column in bold.
        width: LaTeX alone: of the text, in pt.

    Raises:
        InputError: unknown table or format, a broken record, or a card that cannot be read.
    """
    folders = tasks_dir, models_dir, tables_dir
    chosen = _chosen_tables(name, results, rows, columns, *folders, verdicts=style in WITH_VERDICTS)
    named = style == "csv" and len(chosen) > 1  # the other styles have a place for the title
    if style == "latex":
        return "\n".join(to_latex(table, width, intervals=intervals, bold=bold) for table in chosen)
    return "\n".join((f"# {title(table)}\n" if named else "") + render(table, style) for table in chosen)


def tables_frame(
    name: str = "all",
    results: Path | str = RECORDS,
    *,
    tasks_dir: Path | str | None = None,
    models_dir: Path | str | None = None,
    tables_dir: Path | str | None = None,
    rows: str = "",
    columns: str = "",
) -> pd.DataFrame:
    """The tables as one frame, the table's name in front, figures as numbers; see `tables`."""
    import pandas as pd

    frames = []
    for table in _chosen_tables(name, results, rows, columns, tasks_dir, models_dir, tables_dir, verdicts=True):
        frame = pd.read_csv(io.StringIO(to_csv(table)), dtype=str)
        frame.insert(0, "table", table.title)
        frames.append(frame)
    whole = pd.concat(frames, ignore_index=True)
    for column in whole:
        with contextlib.suppress(ValueError):
            whole[column] = pd.to_numeric(whole[column])
    return whole


def _chosen_tables(
    name: str, results: Path | str, rows: str, columns: str, *folders: Path | str | None, verdicts: bool
) -> list[Table]:
    warn_if_missing(Path(results), "only the published figures are shown")
    tasks_dir, models_dir, tables_dir = folders
    built = build_tables(
        name, Path(results), tasks_dir=tasks_dir, models_dir=models_dir, tables_dir=tables_dir, verdicts=verdicts
    )
    refuse_unknown_rows(built, rows)
    chosen = [choose(table, rows, columns) for table in built]
    if rows and not any(table.sections for table in chosen):
        notice(f"no record under {results} has a figure for {'this table' if len(built) == 1 else 'these tables'}")
    return chosen
