"""Two processes on every task, with a fault in one of them: `python -m tests.processes [TASK...]` prints the outcomes.

With `--by-processes` in front it prints each task's figure by 1, 2 and 4 processes instead.

For each task and fault: whether both processes end within a minute, by what they end, and whether a record is left
that one process would not have written.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dinobench.evaluators import base
from dinobench.evaluators.base import EvaluationContext
from dinobench.pipeline import run
from dinobench.pipeline.run import evaluate
from dinobench.results.records import RecordStore
from dinobench.runtime.errors import InputError
from tests.group import in_processes

MODEL = "random:vit_mini/4"
TASKS: dict[str, dict[str, Any]] = {
    "knn-flowers": {},
    "linear@cached": {"epochs": 2},
    "logistic-flowers": {},
    "finetune-flowers@quick": {"epochs": 2, "warmup_epochs": 0, "batch_size": 48},
    "davis@quick": {"image_size": 64, "pictures": False},
    "rparis": {},
    "copydays": {},
    "voc-attention@quick": {},
    "throughput": {"batch_size": 2, "repeats": 2, "warm_up": 0},
}
FAULTED = 1  # the process that has the fault, but for a full disk, which only the first one meets


def _model(task: str) -> None:
    resolve = run.resolve_model
    run.resolve_model = lambda asked: resolve(run.ModelRequest("random:vit_mini/8", {}, "", "", None))


def _input(task: str) -> None:
    _in_the_task(InputError("cat.jpg cannot be read"))


def _exception(task: str) -> None:
    _in_the_task(MemoryError("8 GiB"))


def _in_the_task(error: Exception) -> None:
    dataset = EvaluationContext.dataset

    def broken(context: EvaluationContext[Any], split: str) -> Any:
        if split == "val":
            raise error
        return dataset(context, split)

    EvaluationContext.dataset = broken  # type: ignore[method-assign]


def _killed(task: str) -> None:
    EvaluationContext.dataset = lambda context, split: os._exit(9)  # type: ignore


def _slow(task: str) -> None:
    dataset = EvaluationContext.dataset

    def late(context: EvaluationContext[Any], split: str) -> Any:
        time.sleep(3)
        return dataset(context, split)

    EvaluationContext.dataset = late  # type: ignore[method-assign]


def _data(task: str) -> None:
    opened = base.open_dataset

    def shorter(*arguments: Any) -> Any:
        images = opened(*arguments)
        return images.subset(range(len(images) - 1))

    base.open_dataset = shorter


def _disk(task: str) -> None:
    def full(store: RecordStore, record: Any) -> Path:
        raise OSError(28, "No space left on device", "results")

    RecordStore.add = full  # type: ignore[method-assign]


FAULTS: dict[str, Callable[[str], None] | None] = {
    "none": None,
    "slow": _slow,
    "bad input": _input,
    "exception": _exception,
    "other model": _model,
    "other data": _data,
    "full disk": _disk,
    "kill": _killed,
}


def outcome(task: str, fault: str, processes: int = 2) -> tuple[list[Any], dict[str, Any]]:
    """What each process ended by, and the figures of the record that is left."""
    with tempfile.TemporaryDirectory() as folder:
        ended = in_processes(_evaluate, processes, task, fault, Path(folder))
        records = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    return ended, next((record["metrics"] for record in records if not record["error"]), {})


def _evaluate(rank: int, task: str, fault: str, output: Path) -> str:
    if (spoil := FAULTS[fault]) is not None and rank == (0 if fault == "full disk" else FAULTED):
        spoil(task)
    evaluate(task, MODEL, "mini", output=output, settings=TASKS[task])
    return "done"


def _said(ended: list[Any]) -> str:
    return "; ".join("gone" if each is None else f"{type(each).__name__}: {each}"[:90] for each in ended)


def by_processes(tasks: list[str]) -> None:
    """Print a row for every task: its first figure by 1, 2 and 4 processes."""
    for task in tasks or list(TASKS):
        figures = [outcome(task, "none", count)[1] for count in (1, 2, 4)]
        name = next(iter(figures[0]), "")
        cells = " | ".join(f"{each.get(name, float('nan'))!r}" for each in figures)
        sys.stdout.write(f"| {task} {name} | {cells} |\n")
        sys.stdout.flush()


def main(tasks: list[str]) -> None:
    """Print a row of a table for every task and fault."""
    for task in tasks or list(TASKS):
        for fault in FAULTS:
            began = time.monotonic()
            ended, figures = outcome(task, fault)
            left = ", ".join(f"{name} {value:.2f}" for name, value in list(figures.items())[:1]) or "no record"
            seconds = time.monotonic() - began
            sys.stdout.write(f"| {task} | {fault} | {_said(ended)} | {left} | {seconds:.0f} s |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--by-processes"]:
        by_processes(sys.argv[2:])
    else:
        main(sys.argv[1:])
