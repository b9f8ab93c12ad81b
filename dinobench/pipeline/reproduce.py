"""A whole published table by one call: its jobs, run, and the verdict on every cell."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinobench.cards import ModelCard, TaskCard, load_models, load_tasks
from dinobench.pipeline.job_queue import run_on_devices
from dinobench.pipeline.matrix import MatrixJob, matrix_jobs
from dinobench.pipeline.run import evaluate
from dinobench.results.cell_verdicts import CellVerdict, judge, newest
from dinobench.results.records import RecordStore, RunRecord
from dinobench.results.tables.cells import TableCell, table_cells
from dinobench.results.tables.specs import select_tables
from dinobench.runtime.errors import InputError, RunFailedError

REHEARSAL_SETTINGS: Mapping[str, Any] = {"batch_size": 8}


@dataclass(frozen=True)
class TableRequest:
    """What a user asks for.

    Attributes:
        tables: one table's name, or "all" for the paper's Tables 2 to 6.
        models: patterns such as "dino_*,ibot_*", "" for all.
        data: as for eval: a root with one folder per data set, or NAME=FOLDER pairs.
        output: folder of the records.
        settings: of runs and models.
        rehearse: random weights of each row's architecture on small drawn data.
    """

    tables: str
    models: str = ""
    data: str | None = None
    output: Path = Path("results/paper")
    settings: Mapping[str, Any] = field(default_factory=dict)
    rehearse: bool = False
    tasks_dir: Path | None = None
    models_dir: Path | None = None
    tables_dir: Path | None = None


@dataclass(frozen=True)
class TablePlan:
    """The cells of the tables and the jobs that fill them."""

    request: TableRequest
    cells: Sequence[TableCell]
    jobs: Sequence[MatrixJob]
    tasks: Mapping[str, TaskCard]
    models: Mapping[str, ModelCard]

    def waiting(self) -> list[MatrixJob]:
        """Jobs that can run now and have no sound record."""
        able = ("to run",) if not self.request.rehearse else ("to run", "to fetch", "by hand", "to train", "no way")
        return [job for job in self.jobs if job.state in able]

    def verdicts(self, records: Sequence[RunRecord]) -> list[tuple[TableCell, CellVerdict]]:
        """The verdict on every cell whose model was asked for."""
        by_job = {(job.model, job.name): job for job in self.jobs}
        found = []
        for cell in self.cells:
            job = by_job.get((cell.model, cell.job))
            if job is not None:
                record = newest(records, cell.model, cell.task, cell.protocol)
                found.append((cell, judge(cell.published, cell.metric, record, job.advice)))
            elif not cell.model:
                found.append((cell, CellVerdict("missing", "no card claims this row")))
        return found


PAPER = ("2", "3", "4", "5", "6")


def plan_tables(request: TableRequest) -> TablePlan:
    """Everything that `reproduce` will do.

    Raises:
        InputError: no such table or model, or cards that contradict each other.
    """
    tasks, models = load_tasks(request.tasks_dir), load_models(request.models_dir)
    names = PAPER if request.tables == "all" else request.tables.split(",")
    specs = [spec for name in names for spec in select_tables(name.strip(), request.tables_dir)]
    cells = table_cells(specs, tasks, models)
    if not any(cell.task for cell in cells):
        raise InputError(f"no task fills a column of table {request.tables}; see `dinobench tasks`")
    records = RecordStore(request.output).runs()
    return TablePlan(
        request, cells, matrix_jobs(cells, tasks, models, records, request.models, request.data), tasks, models
    )


def fetch_missing(plan: TablePlan, report: Callable[[str], None]) -> dict[str, str]:
    """Download the weights that jobs wait for; the reason of each model that could not be had."""
    from dinobench.models.loading.download import fetch_weights

    failed = {}
    for model in dict.fromkeys(job.model for job in plan.jobs if job.state == "to fetch"):
        card = plan.models[model]
        try:
            fetched = fetch_weights(card.name, card.weights, sha256=card.sha256)
            report(f"fetched {model}: {fetched.path}")
        except InputError as error:
            failed[model] = str(error)
            report(f"{model} is not fetched: {error}")
    return failed


def run_jobs(
    plan: TablePlan, devices: Sequence[str], report: Callable[[str], None], show: Callable[[RunRecord], None]
) -> dict[str, str]:
    """Run what waits, model by model; the one line of each job that failed, by its name.

    One that fails never stops the others. With several devices, each model's jobs are a process on one of them.
    """
    waiting = plan.waiting()
    groups = {model: list(jobs) for model, jobs in itertools.groupby(waiting, key=lambda job: job.model)}
    if len(devices) > 1:
        return _run_apart(plan, groups, devices, report)
    failed: dict[str, str] = {}
    for model, jobs in groups.items():
        failed |= _run_here(plan, model, jobs, show)
    return failed


def _run_here(
    plan: TablePlan, model: str, jobs: Sequence[MatrixJob], show: Callable[[RunRecord], None]
) -> dict[str, str]:
    request = plan.request
    spec, name, data, settings = model, "", request.data, dict(request.settings)
    if request.rehearse:
        spec, name, data = f"random:{plan.models[model].architecture}", f"rehearsal_{model}", "mini"
        settings = {**REHEARSAL_SETTINGS, **settings}
    try:
        records = evaluate(
            ",".join(job.name for job in jobs),
            spec,
            data,
            None,
            request.output,
            settings,
            tasks_dir=request.tasks_dir,
            models_dir=request.models_dir,
            name=name,
            report=show,
        )
    except (InputError, RunFailedError) as error:
        return {f"{model} {job.name}": str(error) for job in jobs}
    return {f"{model} {record.task}@{record.protocol.name}": record.error for record in records if record.failed}


def _run_apart(
    plan: TablePlan, groups: Mapping[str, Sequence[MatrixJob]], devices: Sequence[str], report: Callable[[str], None]
) -> dict[str, str]:
    commands = {model: eval_command(plan.request, model, jobs) for model, jobs in groups.items()}
    return run_on_devices(commands, devices, lambda command, device: [*command, "--set", f"device={device}"], report)


def eval_command(request: TableRequest, model: str, jobs: Sequence[MatrixJob]) -> list[str]:
    """The command line of one model's jobs."""
    command = [sys.executable, "-m", "dinobench", "eval", "--task", ",".join(job.name for job in jobs)]
    command += ["--model", model, "--output", str(request.output)]
    command += ["--data", request.data] if request.data else []
    for option, folder in (("--tasks-dir", request.tasks_dir), ("--models-dir", request.models_dir)):
        command += [option, str(folder)] if folder else []
    for key, value in request.settings.items():
        command += ["--set", f"{key}={value}"]
    return command
