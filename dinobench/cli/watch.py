"""`dinobench watch`: evaluate a running training's checkpoints as they appear."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from dinobench.cli.options import RESULTS, SETTINGS, not_empty


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--task", "tasks", default="knn", show_default=True, help="NAME[,NAME...], a group or all.")
@click.option("--data", callback=not_empty, help="Data SPEC; by default what the run trains on.")
@click.option("--every", default=30.0, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Evaluate what is there and stop.")
@RESULTS
@SETTINGS
def command(
    run: Path, tasks: str, data: str | None, every: float, once: bool, results: Path, settings: tuple[str, ...]
) -> None:
    """Score each new checkpoint of the training in directory RUN, until its last one."""
    from dinobench.pipeline import evaluate
    from dinobench.runtime.console import notice
    from dinobench.runtime.settings import parse_pairs
    from dinobench.training.checkpoints import LAST, load

    failed, seen, path = False, -1, run / LAST
    if not once and not path.is_file():
        notice(f"waiting for {path}; a training in that directory writes it")
    while True:
        state = load(path, "give the directory of a run of `dinobench train`") if path.is_file() or once else None
        if state is not None and state["iteration"] > seen:
            seen = int(state["iteration"])
            click.echo(f"{path}, step {seen}")
            for record in evaluate(
                tasks, str(path), data or state["data"]["spec"], None, results, parse_pairs(settings)
            ):
                failed |= record.failed
                figure = record.error if record.failed else f"{record.metrics[record.main_metric]:.2f}"
                click.echo(f"  {record.task} {record.main_metric} {figure}")
        if once or (state is not None and state["epoch"] >= state["recipe"]["epochs"]):
            break
        time.sleep(every)
    if failed:
        sys.exit(1)
