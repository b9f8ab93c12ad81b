"""`dinobench watch`: evaluate a running training's checkpoints as they appear."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from dinobench.cli.completion import data_names, task_names
from dinobench.cli.options import RESULTS, SETTINGS, not_empty

MOST_SECONDS = 86_400


@dataclass(frozen=True)
class _Checkpoint:
    """A checkpoint to score: its file, its step, and the data that the run trains on."""

    path: Path
    step: int
    data: str


def _check_seconds(ctx: click.Context, param: click.Parameter, value: float) -> float:
    """Refuse a time that no clock reaches."""
    if not 0 <= value <= MOST_SECONDS:  # which nan is not either
        raise click.BadParameter(f"{value} is not a number of seconds from 0 to {MOST_SECONDS}")
    return value


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--task",
    "tasks",
    default="knn",
    show_default=True,
    shell_complete=task_names,
    help="NAME[,NAME...], a group or all.",
)
@click.option(
    "--data", callback=not_empty, shell_complete=data_names, help="Data SPEC; by default what the run trains on."
)
@click.option("--every", default=30.0, show_default=True, callback=_check_seconds, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Evaluate what is there and stop.")
@RESULTS
@SETTINGS
def command(
    run: Path, tasks: str, data: str | None, every: float, once: bool, results: Path, settings: tuple[str, ...]
) -> None:
    """Score each new checkpoint of the training in directory RUN, until its last one.

    Under torchrun the first process looks for them, and all share the work on each.
    """
    from dinobench.runtime.launch import told_to_others

    with told_to_others():
        _require_folder(run)
    from dinobench.runtime.device import pick_device  # after bad input: torch takes seconds
    from dinobench.runtime.processes import from_first, process_group
    from dinobench.runtime.settings import parse_pairs

    failed, changes = False, parse_pairs(settings)
    with told_to_others():
        device = pick_device(changes.get("device"))
    with process_group(device):
        found = _new_checkpoints(run, every, once)
        while (checkpoint := from_first(lambda: next(found, None), "the next checkpoint")) is not None:
            failed |= _score_checkpoint(tasks, checkpoint, data or checkpoint.data, results, changes)
    if failed:
        sys.exit(1)


def _require_folder(run: Path) -> None:
    """InputError where there is no such folder: waiting for it would hide a slip in its name."""
    from dinobench.runtime.errors import InputError

    if not run.is_dir():
        raise InputError(f"there is no folder {run}; give the directory of a run of `dinobench train`")


def _new_checkpoints(run: Path, every: float, once: bool) -> Iterator[_Checkpoint]:
    """The run's checkpoint each time that it holds a later step, until the training is done."""
    from dinobench.runtime.console import notice
    from dinobench.training.checkpoints import LAST, load

    seen, changed, path = -1, 0, run / LAST
    if not once and not path.is_file():
        notice(f"waiting for {path}; a training in that directory writes it")
    while True:
        now = path.stat().st_mtime_ns if path.is_file() else 0
        if now != changed or once:  # a large file is read when it is new, not at every look
            state, changed = load(path, "give the directory of a run of `dinobench train`"), now
            if int(state["iteration"]) > seen:
                seen = int(state["iteration"])
                yield _Checkpoint(path, seen, str(state["data"]["spec"]))
            if once or state["epoch"] >= state["recipe"]["epochs"]:
                return
        time.sleep(every)


def _score_checkpoint(
    tasks: str, checkpoint: _Checkpoint, data: str, results: Path, settings: Mapping[str, Any]
) -> bool:
    """Evaluate a checkpoint; whether any task failed."""
    from dinobench.pipeline import evaluate
    from dinobench.runtime.processes import any_process, rank

    if rank() == 0:
        click.echo(f"{checkpoint.path}, step {checkpoint.step}")
    records = evaluate(tasks, str(checkpoint.path), data, None, results, settings)
    for record in records:
        figure = record.error if record.failed else f"{record.metrics[record.main_metric]:.2f}"
        click.echo(f"  {record.task} {record.main_metric} {figure}")
    return any_process(any(record.failed for record in records), "a failed task")
