"""`dinobench reproduce`: a published table, measured again cell by cell."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinobench.cli.completion import card_names, table_names
from dinobench.cli.options import MODELS_DIR, RESOURCES, SETTINGS, TABLES_DIR, TASKS_DIR, not_empty
from dinobench.runtime.cluster import LAUNCHERS

if TYPE_CHECKING:
    from dinobench.pipeline.estimates import Estimate
    from dinobench.pipeline.matrix import MatrixJob
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
    help='Models to take, such as "dino_*,ibot_*", also cards without a row; default: all rows.',
)
@click.option(
    "--data",
    callback=not_empty,
    type=click.Path(),
    help="Root with one folder per data set, or NAME=FOLDER[,...].",
)
@click.option("--fetch", is_flag=True, help="Download the weights that are missing.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the records, default results/paper, of a rehearsal results/rehearsal; what stands there is not "
    "measured again.",
)
@click.option("--dry-run", is_flag=True, help="Say what is done, what would run and what is missing.")
@click.option(
    "--estimate/--no-estimate",
    default=True,
    help="With --dry-run: time, memory and disk, measured here once for each architecture, in about 20 seconds.",
)
@click.option("--rehearse", is_flag=True, help="Drawn weights in each row's released layout, on a few drawn images.")
@click.option("--devices", default="", help="Such as cuda:0,cuda:1: one model's jobs on each; default: all GPUs.")
@click.option("--launcher", type=click.Choice(LAUNCHERS), help="Submit one array, a job for each model and task.")
@RESOURCES
@click.option("--strict", is_flag=True, help="Exit with code 1 where a comparable figure differs.")
@SETTINGS
@TASKS_DIR
@MODELS_DIR
@TABLES_DIR
def command(
    tables: str,
    output: Path | None,
    fetch: bool,
    dry_run: bool,
    estimate: bool,
    devices: str,
    launcher: str | None,
    resources: tuple[str, ...],
    strict: bool,
    settings: tuple[str, ...],
    **options: Any,
) -> None:
    """Measure every cell of a published table and say whether it is the published figure.

    \b
    dinobench reproduce --table 2 --models 'dino_*' --fetch --data ROOT
    dinobench reproduce --table all --dry-run
    dinobench reproduce --table 6 --launcher slurm --resource gres=gpu:1
    """  # noqa: D301  (click reads the backspace as "do not wrap")
    from dinobench.pipeline.reproduce import (
        PAPER_RECORDS,
        REHEARSAL_RECORDS,
        TableRequest,
        fetch_missing,
        plan_tables,
        run_jobs,
        submit_jobs,
    )
    from dinobench.runtime.errors import InputError
    from dinobench.runtime.settings import parse_pairs

    if resources and not launcher:
        raise InputError("--resource belongs to a job; say --launcher slurm or --launcher local")
    if launcher and devices:
        raise InputError("--devices are of this machine, --launcher is for a queue; give one of them")
    if launcher and options["rehearse"]:
        raise InputError("a rehearsal takes minutes and runs here; leave --launcher out")
    output = output or (REHEARSAL_RECORDS if options["rehearse"] else PAPER_RECORDS)
    request = TableRequest(tables, output=output, settings=parse_pairs(settings), **options)
    plan = plan_tables(request)
    for note in plan.notes:
        click.echo(note)
    if dry_run:
        _show_plan(plan, estimate)
        return
    failed = fetch_missing(plan, click.echo) if fetch else {}
    if fetch:
        plan = plan_tables(request)
    if launcher:
        failed |= submit_jobs(plan, launcher, parse_pairs(resources), click.echo)
    else:
        failed |= run_jobs(plan, _device_names(devices), click.echo, _show_record)
    differs = False
    if launcher == "slurm":
        click.echo("once they are done, the same command without --launcher prints the table; --dry-run counts them")
    else:
        try:
            differs = _show_verdicts(plan)
        except InputError as error:  # such as a full disk: what failed before is listed all the same
            failed["tables"] = str(error)
    for name, reason in failed.items():
        click.echo(f"failed: {name}: {reason}")
    if failed or (strict and differs):
        sys.exit(1)


def _device_names(devices: str) -> list[str]:
    if devices:
        return [device.strip() for device in devices.split(",")]
    from dinobench.runtime.device import all_devices

    return all_devices()


def _show_plan(plan: TablePlan, estimated: bool) -> None:
    from dinobench.cli.cost_lines import cost_line
    from dinobench.pipeline.reproduce import costs

    width = max((len(job.model) for job in plan.jobs), default=0)
    found: dict[MatrixJob, Estimate] = {}
    for jobs, estimates in costs(plan, estimated):
        found |= dict(zip(jobs, estimates, strict=False))
        for job in jobs:
            click.echo(f"{job.model:<{width}}  {job.name:<28} {job.state:<9} {job.advice}".rstrip())
            if job in found:
                click.echo(f"{'':<{width}}  {cost_line(found[job])}")
    states = [job.state for job in plan.jobs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    rows = {(cell.table, cell.row) for cell in plan.cells}
    click.echo(f"jobs: {len(plan.jobs)}, for {len(plan.cells)} cells in {len(rows)} rows: {counts}")
    if found:
        _show_totals(found)


def _show_totals(found: Mapping[MatrixJob, Estimate]) -> None:
    """Time, memory, disk and downloads of all jobs together."""
    from dinobench.cli.cost_lines import size
    from dinobench.pipeline.estimates import magnitude, total_of

    by_model = itertools.groupby(found, key=lambda job: job.model)
    totals = [total_of(found[job] for job in jobs) for _, jobs in by_model]
    known = [each for each in totals if not each.because]
    if not known:
        click.echo("nothing could be estimated")
        return
    click.echo(
        f"in all: {sum(each.passes for each in known):,} images through networks, "
        f"about {magnitude(sum(each.total for each in known))} "
        f"({magnitude(sum(each.total_cpu for each in known))} of CPU time), one job after the other; "
        f"at most {size(max(each.memory for each in known))} of memory; "
        f"{size(sum(each.stored for each in known))} of features"
    )
    fetched = {job.model: 4 * each.parameters for job, each in found.items() if job.state == "to fetch"}
    if fetched:
        click.echo(
            f"to download: {len(fetched)} files of weights, about {size(sum(fetched.values()))} by their parameters"
        )
    if left_out := sum(bool(each.because) for each in found.values()):
        click.echo(f"not estimated: {left_out} of {len(found)} jobs")


def _show_record(record: RunRecord) -> None:
    name = f"{record.model.name} {record.task}@{record.protocol.name}"
    figure = f"FAILED: {record.error}" if record.failed else f"{record.main_metric} {record.value or 0.0:.2f}"
    click.echo(f"{name}  {figure}")


def _show_verdicts(plan: TablePlan) -> bool:
    """Print the table and the verdict on each cell; whether a comparable one differs."""
    from dinobench.results.records import RecordStore
    from dinobench.results.tables import build_tables
    from dinobench.results.tables.render import render
    from dinobench.runtime.files import write_table_atomically, write_text_atomically

    request = plan.request
    found = plan.verdicts(RecordStore(request.output).runs())
    tables = {}
    for table in dict.fromkeys(cell.table for cell in plan.cells):
        (built,) = build_tables(
            table,
            request.output,
            tasks_dir=request.tasks_dir,
            models_dir=request.models_dir,
            tables_dir=request.tables_dir,
            rehearsal=request.rehearse,
        )
        tables[table] = render(built, "markdown")
        click.echo(tables[table])
    for cell, verdict in found:
        click.echo(f"table {cell.table}  {cell.model or f'row {cell.row + 1}'}  {cell.column}: {verdict.text}")
    rows = [
        (cell.table, cell.model, cell.job, cell.column, cell.published, each.kind, each.text) for cell, each in found
    ]
    kinds = [verdict.kind for _, verdict in found]
    click.echo(", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
    heading = ("table", "model", "task", "column", "published", "verdict", "text")
    write_table_atomically(request.output / "tables" / "verdicts.csv", heading, rows)
    for table, text in tables.items():
        write_text_atomically(request.output / "tables" / f"table{table}.md", text)
    return "differs" in kinds
