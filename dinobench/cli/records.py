"""`dinobench records`: what was measured, listed, filtered and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinobench.cli.completion import recorded_names, task_names
from dinobench.cli.options import MODELS_DIR, RESULTS, TABLES_DIR, TASKS_DIR, CommandGroup

if TYPE_CHECKING:
    import pandas as pd

TASK = click.option("--task", default="", shell_complete=task_names, help="Of this task alone.")
MODEL = click.option("--model", default="", shell_complete=recorded_names, help="Of this model alone.")
WHERE = click.option("--where", default="", help='Such as "top1 > 60" or "family == \'dino\' and value > 60".')
KINDS = ("dino-log", "dino-knn", "davis", "dinov2", "dinov3", "mteb", "clip-benchmark")
FORMATS = ("csv", "parquet", "json")
LISTED = ["task", "protocol", "model", "data", "metric", "value", "published", "error"]


def _with_filters(function: Callable[..., None]) -> Callable[..., None]:
    """The options that choose records."""
    for option in (TABLES_DIR, MODELS_DIR, TASKS_DIR, WHERE, TASK, RESULTS):
        function = option(function)
    return function


@click.group(cls=CommandGroup)
def command() -> None:
    """List, show and export run records."""


@command.command("ls")
@_with_filters
@MODEL
def list_records(results: Path, task: str, model: str, where: str, **folders: Any) -> None:
    """List the main figure of every record."""
    frame = _chosen_records(results, task, model, where, folders)
    shown = frame[frame["main"] | (frame["error"] != "")] if not where else frame
    count = f"{len(shown)} of {frame['path'].nunique()} records in {results}"
    click.echo("\n".join([*map(_list_line, shown[LISTED].itertuples()), count]))


def _list_line(row: Any) -> str:
    figure = f"FAILED: {row.error}" if row.error else f"{row.metric} {row.value:.2f}"
    if row.published == row.published and not row.error:  # not NaN
        figure += f" (published {row.published:g})"
    return f"{row.task}@{row.protocol}  {row.model} on {row.data}  {figure}"


@command.command()
@click.argument("record", type=click.Path(path_type=Path))
def show(record: Path) -> None:
    """Print everything that a RECORD file holds."""
    from dinobench.results.records import read_record

    found = read_record(record)
    click.echo(f"{found.task}@{found.protocol.name}  {found.model.name} on {found.data.spec}  {found.date}")
    for metric, value in found.metrics.items():
        bounds = found.intervals.get(metric)
        click.echo(f"  {metric:<24} {value}" + (f"  ({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds else ""))
    for title, facts in (("model", vars(found.model)), ("settings", found.settings), ("details", found.details)):
        click.echo(title)
        for key, value in facts.items():
            click.echo(f"  {key} = {value}")
    for line in (*found.warnings, *found.because):
        click.echo(f"note: {line}")


@command.command()
@click.option("--metric", default="", help="By default each task's main one.")
@_with_filters
def best(metric: str, results: Path, task: str, where: str, **folders: Any) -> None:
    """The best model of each task, protocol and data set."""
    frame = _chosen_records(results, task, "", where, folders)
    frame = frame[frame["metric"] == metric] if metric else frame[frame["main"]]
    frame = frame.dropna(subset=["value"])
    for keys, group in frame.groupby(["task", "protocol", "data", "data_digest", "metric"]):
        row = group.loc[group["value"].idxmax()]
        click.echo(f"{keys[0]}@{keys[1]} on {keys[2]}  {keys[4]} {row['value']:.2f}  {row['model']}  of {len(group)}")


@command.command()
@click.option("--format", "style", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="File to write.")
@_with_filters
@MODEL
def export(style: str, output: Path, results: Path, task: str, model: str, where: str, **folders: Any) -> None:
    """Write the records as a table, one row per record and metric."""
    from dinobench.runtime.files import write_text_atomically
    from dinobench.runtime.parquet_files import write_frame

    frame = _chosen_records(results, task, model, where, folders)
    if style == "parquet":
        write_frame(frame, output)
    else:
        text = frame.to_csv(index=False) if style == "csv" else frame.to_json(orient="records", indent=2)
        write_text_atomically(output, text)
    click.echo(f"{len(frame)} rows in {output}")


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as", "kind", required=True, metavar="KIND", help=f"Kind of file: {', '.join(KINDS)}.")
@click.option("--model", default="", help="Name of the network, where the file does not say it.")
@click.option("--data", default="", help="Name of the data set, likewise.")
@RESULTS
def import_file(file: Path, kind: str, model: str, data: str, results: Path) -> None:
    """Read another tool's result FILE into a record, marked as imported and never comparable."""
    from dinobench.results.import_records import import_record

    path, record = import_record(file, kind, results, model, data)
    for metric, value in record.metrics.items():
        click.echo(f" {'*' if metric == record.main_metric else ' '} {metric:<24} {value:.2f}")
    click.echo(f"{record.task}, {record.model.name}: {path}")


def _chosen_records(results: Path, task: str, model: str, where: str, folders: dict[str, Any]) -> pd.DataFrame:
    from dinobench.results.frames import records
    from dinobench.runtime.errors import InputError

    if not any(results.glob("*.json")):
        raise InputError(f"there is no record in {results}; score a model first, or name another folder by --results")
    frame = records(results, where=where, **folders)
    frame = frame[frame["task"] == task] if task else frame
    return frame[frame["model"] == model] if model else frame
