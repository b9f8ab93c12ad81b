"""A whole published table by one call: its jobs, run, and the verdict on every cell."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.cards import ModelCard, TaskCard, load_models, load_tasks
from dinobench.pipeline.job_queue import run_on_devices
from dinobench.pipeline.matrix import MatrixJob, matrix_jobs, rehearsal_states, rowless_models
from dinobench.pipeline.model import ModelRequest
from dinobench.pipeline.plan import asked_settings, make_plan
from dinobench.pipeline.run import evaluate
from dinobench.pipeline.table_jobs import submit_commands
from dinobench.results.cell_verdicts import CellVerdict, judge, newest
from dinobench.results.records import RecordStore, RunRecord
from dinobench.results.tables.cells import TableCell, rowless_cells, table_cells, unfilled_columns
from dinobench.results.tables.specs import select_tables
from dinobench.runtime.errors import InputError
from dinobench.runtime.hardware_failures import reason_of
from dinobench.runtime.settings import toml_text
from dinobench.runtime.signals import StoppedError

if TYPE_CHECKING:
    from dinobench.pipeline.estimates import Estimate

PAPER_RECORDS, REHEARSAL_RECORDS = Path("results/paper"), Path("results/rehearsal")
"""Where records are written unless the user says otherwise."""


@dataclass(frozen=True)
class TableRequest:
    """What a user asks for.

    Attributes:
        tables: one table's name, or "all" for the paper's Tables 2 to 6.
        models: patterns such as "dino_*,ibot_*", "" for all.
        data: as for eval: a root with one folder per data set, or NAME=FOLDER pairs.
        output: folder of the records.
        settings: of runs and models.
        rehearse: drawn weights in each row's released layout, on a few drawn images.
    """

    tables: str
    models: str = ""
    data: str | None = None
    output: Path = PAPER_RECORDS
    settings: Mapping[str, Any] = field(default_factory=dict)
    rehearse: bool = False
    tasks_dir: Path | None = None
    models_dir: Path | None = None
    tables_dir: Path | None = None


@dataclass(frozen=True)
class TablePlan:
    """The cells of the tables and the jobs that fill them.

    Attributes:
        notes: a line for each table with columns that no task fills.
    """

    request: TableRequest
    cells: Sequence[TableCell]
    jobs: Sequence[MatrixJob]
    tasks: Mapping[str, TaskCard]
    models: Mapping[str, ModelCard]
    notes: Sequence[str] = ()

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
                found.append((cell, self._verdict(cell, job, records)))
            elif not cell.model:
                found.append((cell, CellVerdict("missing", "no card claims this row")))
        return found

    def _verdict(self, cell: TableCell, job: MatrixJob, records: Sequence[RunRecord]) -> CellVerdict:
        record = newest(records, cell.model, cell.task, cell.protocol, rehearsal=self.request.rehearse)
        none_released = job.state in ("to train", "no way")
        return judge(cell.published, cell.metric, record, job.advice, none_released=none_released)


PAPER = ("2", "3", "4", "5", "6")


def plan_tables(request: TableRequest) -> TablePlan:
    """Everything that `reproduce` will do.

    Raises:
        InputError: no such table or model, cards that contradict each other, or none that fills a cell.
    """
    tasks, models = load_tasks(request.tasks_dir), load_models(request.models_dir)
    names = PAPER if request.tables == "all" else request.tables.split(",")
    specs = [spec for name in names for spec in select_tables(name.strip(), request.tables_dir)]
    cells = table_cells(specs, tasks, models)
    cells += rowless_cells(specs, tasks, rowless_models(cells, models, request.models))
    if not any(cell.task for cell in cells):
        raise InputError(f"no task fills a column of table {request.tables}; see `dinobench tasks`")
    if not any(cell.model for cell in cells):
        raise InputError(
            f"no model card claims a row of table {request.tables}; name the row in its card, under [[rows]], "
            "or name the card by --models"
        )
    records = RecordStore(request.output).runs()
    jobs = matrix_jobs(cells, tasks, models, records, request.models, request.data, request.settings)
    if request.rehearse:
        jobs = rehearsal_states(jobs, records)
    unfilled = {spec.name: ", ".join(unfilled_columns(spec, tasks)) for spec in specs}
    notes = [f"table {name}: no task fills {columns}" for name, columns in unfilled.items() if columns]
    return TablePlan(request, cells, jobs, tasks, models, notes)


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
    if len(devices) > 1 and not plan.request.rehearse:
        return _run_apart(plan, groups, devices, report)
    run = _rehearse if plan.request.rehearse else _run_here
    failed: dict[str, str] = {}
    for model, jobs in groups.items():
        try:
            records = run(plan, model, jobs, show)
        except StoppedError:
            raise
        except Exception as error:  # whatever stops one model, the others still run
            line = reason_of(error)
            report(f"{model} failed: {line}")
            failed |= {f"{model} {job.name}": line for job in jobs}
        else:
            ended_badly = (record for record in records if record.failed)
            failed |= {f"{model} {record.task}@{record.protocol.name}": record.error for record in ended_badly}
    return failed


def _rehearse(
    plan: TablePlan, model: str, jobs: Sequence[MatrixJob], show: Callable[[RunRecord], None]
) -> list[RunRecord]:
    from dinobench.pipeline.rehearsal import Rehearsal, rehearse_model

    request = plan.request
    rehearsal = Rehearsal(request.output, request.settings, plan.tasks, request.tasks_dir, request.models_dir)
    return rehearse_model(rehearsal, plan.models[model], jobs, show)


def _run_here(
    plan: TablePlan, model: str, jobs: Sequence[MatrixJob], show: Callable[[RunRecord], None]
) -> list[RunRecord]:
    request = plan.request
    return evaluate(
        ",".join(job.name for job in jobs),
        model,
        request.data,
        None,
        request.output,
        request.settings,
        tasks_dir=request.tasks_dir,
        models_dir=request.models_dir,
        report=show,
    )


def _run_apart(
    plan: TablePlan, groups: Mapping[str, Sequence[MatrixJob]], devices: Sequence[str], report: Callable[[str], None]
) -> dict[str, str]:
    commands = {model: eval_command(plan, model, jobs) for model, jobs in groups.items()}
    return run_on_devices(commands, devices, lambda command, device: [*command, "--set", f"device={device}"], report)


def submit_jobs(
    plan: TablePlan, launcher: str, resources: Mapping[str, Any], report: Callable[[str], None]
) -> dict[str, str]:
    """Hand what waits to a cluster, one job a model and task; the reason of each job that is known to have failed.

    Raises:
        InputError: see `table_jobs.submit_commands`.
    """
    commands = {f"{job.model} {job.name}": eval_command(plan, job.model, [job]) for job in plan.waiting()}
    return submit_commands(commands, launcher, plan.request.output / "jobs", resources, report)


def costs(plan: TablePlan, estimated: bool = True) -> Iterator[tuple[list[MatrixJob], list[Estimate]]]:
    """Each model's jobs and, of those that are not done, what each is expected to take, as soon as that is known."""
    from dinobench.pipeline.estimates import Estimate, estimate_jobs

    request = plan.request
    for model, group in itertools.groupby(plan.jobs, key=lambda job: job.model):
        jobs = sorted(group, key=lambda job: job.state == "done")
        waiting = [job for job in jobs if job.state != "done"]
        if request.rehearse or not (waiting and estimated):
            yield jobs, []
            continue
        spec, data, settings = model, request.data, request.settings
        names = ",".join(job.name for job in waiting)
        try:
            made = make_plan(names, spec, data, None, settings, tasks_dir=request.tasks_dir)
        except InputError:
            try:
                made = make_plan(names, spec, None, None, settings, tasks_dir=request.tasks_dir)
            except InputError as error:
                yield jobs, [Estimate(because=str(error)) for _ in waiting]
                continue
        asked = ModelRequest(spec, asked_settings(made), models_dir=request.models_dir)
        yield jobs, estimate_jobs(asked, made.jobs, plan.models)


def eval_command(plan: TablePlan, model: str, jobs: Sequence[MatrixJob]) -> list[str]:
    """The command line of one model's jobs."""
    request = plan.request
    command = [sys.executable, "-m", "dinobench", "eval", "--task", ",".join(job.name for job in jobs)]
    command += ["--model", model, "--output", str(request.output)]
    command += ["--data", request.data] if request.data else []
    for option, folder in (("--tasks-dir", request.tasks_dir), ("--models-dir", request.models_dir)):
        command += [option, str(folder)] if folder else []
    for key, value in request.settings.items():
        command += ["--set", f"{key}={toml_text(value)}"]
    return command
