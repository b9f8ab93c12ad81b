"""`dinobench reproduce`: a published table, measured again cell by cell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinobench.cli.completion import card_names, table_names
from dinobench.cli.options import MODELS_DIR, SETTINGS, TABLES_DIR, TASKS_DIR, not_empty

if TYPE_CHECKING:
    from dinobench.pipeline.reproduce import TablePlan
    from dinobench.results.records import RunRecord


@click.command()
@click.option(
    "--table",
    "tables",
    required=True,
    shell_complete=table_names,
    help="Such as 2 or 2,5; all: the paper's Tables 2 to 6.",
)
@click.option(
    "--models",
    default="",
    shell_complete=card_names,
    help='Models to take, such as "dino_*,ibot_*"; default: all rows.',
)
@click.option("--data", callback=not_empty, help="Root with one folder per data set, or NAME=FOLDER[,...].")
@click.option("--fetch", is_flag=True, help="Download the weights that are missing.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("results/paper"),
    show_default=True,
    help="Folder of the records; what stands there is not measured again.",
)
@click.option("--dry-run", is_flag=True, help="Say what is done, what would run and what is missing.")
@click.option("--rehearse", is_flag=True, help="Random weights of each architecture on small drawn data.")
@click.option("--devices", default="", help="Such as cuda:0,cuda:1: one model's jobs on each; default: all GPUs.")
@click.option("--strict", is_flag=True, help="Exit with code 1 where a comparable figure differs.")
@SETTINGS
@TASKS_DIR
@MODELS_DIR
@TABLES_DIR
def command(
    tables: str, fetch: bool, dry_run: bool, devices: str, strict: bool, settings: tuple[str, ...], **options: Any
) -> None:
    """Measure every cell of a published table and say whether it is the published figure.

    \b
    dinobench reproduce --table 2 --models 'dino_*' --fetch --data ROOT
    dinobench reproduce --table all --dry-run
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.reproduce import TableRequest, fetch_missing, plan_tables, run_jobs
    from dinobench.runtime.settings import parse_pairs

    request = TableRequest(tables, settings=parse_pairs(settings), **options)
    plan = plan_tables(request)
    if dry_run:
        _show_plan(plan)
        return
    if fetch and fetch_missing(plan, click.echo) is not None:
        plan = plan_tables(request)
    failed = run_jobs(plan, _device_names(devices), click.echo, _show_record)
    differs = _show_verdicts(plan)
    for name, reason in failed.items():
        click.echo(f"failed: {name}: {reason}")
    if failed or (strict and differs):
        sys.exit(1)


def _device_names(devices: str) -> list[str]:
    if devices:
        return [device.strip() for device in devices.split(",")]
    from dinobench.runtime.device import all_devices

    return all_devices()


def _show_plan(plan: TablePlan) -> None:
    width = max((len(job.model) for job in plan.jobs), default=0)
    for job in plan.jobs:
        click.echo(f"{job.model:<{width}}  {job.name:<28} {job.state:<9} {job.advice}".rstrip())
    states = [job.state for job in plan.jobs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    rows = {(cell.table, cell.row) for cell in plan.cells}
    click.echo(f"{len(plan.jobs)} jobs for {len(plan.cells)} cells in {len(rows)} rows: {counts}")


def _show_record(record: RunRecord) -> None:
    name = f"{record.model.name} {record.task}@{record.protocol.name}"
    figure = f"FAILED: {record.error}" if record.failed else f"{record.main_metric} {record.value or 0.0:.2f}"
    click.echo(f"{name}  {figure}")


def _show_verdicts(plan: TablePlan) -> bool:
    """Print the table and the verdict on each cell; whether a comparable one differs."""
    from dinobench.results.records import RecordStore
    from dinobench.results.tables import tables

    request = plan.request
    records = RecordStore(request.output).runs()
    for table in dict.fromkeys(cell.table for cell in plan.cells):
        text = tables(
            table,
            "markdown",
            request.output,
            tasks_dir=request.tasks_dir,
            models_dir=request.models_dir,
            tables_dir=request.tables_dir,
        )
        click.echo(text)
    found = plan.verdicts(records)
    for cell, verdict in found:
        click.echo(f"table {cell.table}  {cell.model or f'row {cell.row + 1}'}  {cell.column}: {verdict.text}")
    kinds = [verdict.kind for _, verdict in found]
    click.echo(", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
    return "differs" in kinds
