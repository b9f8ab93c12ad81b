"""Several processes on every task, with a fault in one of them; prints the tables of docs/processes.md.

    python -m tests.processes [--processes N] [--faults F,F] [TASK...]
        what each process ended by after a fault, how soon, and which record is left
    python -m tests.processes --by-processes [TASK...]
        each task's figures by 1, 2 and 4 processes

The network is drawn and the data are twins, so that a task takes seconds. A fault happens where a process opens its
data, decodes its first image, runs the network for the first time or stores the record; the time counts from there to
the end of all processes.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import pkgutil
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dinobench import evaluators
from dinobench.data import decode
from dinobench.evaluators import base
from dinobench.features.rows import Claims
from dinobench.models.networks.vit import PatchEmbedding
from dinobench.pipeline import run
from dinobench.pipeline.run import evaluate
from dinobench.results.records import RecordStore
from dinobench.runtime.cache import CACHE_VARIABLE, cache_folder
from dinobench.runtime.processes import world_size
from tests.group import in_processes, start_server
from tests.tiny_tasks import TINY, write_data

MODEL = "random:vit_mini/4"
LONGEST = 600  # seconds for a task on a busy machine; a hang shows by the time after the fault
BY_FIRST = {"throughput"}  # tasks whose network only the first process runs
TRUNCATED = "image file is truncated"
LATEST = 30  # seconds after which the others no longer wait for the fault

Act = Callable[[], None]


def _timed(act: Act, moment: Path) -> Act:
    """`act`, the time of whose first call is noted."""

    def acted() -> None:
        if not moment.exists():
            moment.write_text(str(time.time()))
        act()

    return acted


def _before(owner: Any, name: str, act: Act) -> None:
    """Let `act` come before each call of a method, or of a module's function by that module."""
    original = getattr(owner, name)

    def acted(*arguments: Any, **named: Any) -> Any:
        act()
        return original(*arguments, **named)

    setattr(owner, name, acted)


def _at_network(act: Act) -> None:
    _before(PatchEmbedding, "forward", act)


def _at_image(act: Act) -> None:
    """Whenever the image is opened that was opened first."""
    opened, first = decode.Image.open, list[bytes]()

    def acted(source: Path | io.BytesIO, *arguments: Any, **named: Any) -> Any:
        content = source.getvalue() if isinstance(source, io.BytesIO) else source.read_bytes()
        if not first:
            first.append(content)
        if content == first[0]:
            act()
        return opened(source, *arguments, **named)

    decode.Image.open = acted


def _claim_nothing_before(moment: Path) -> None:
    """Let the process with the fault be the first to compute features, or another might do all of a tiny task."""

    @functools.cache
    def wait() -> None:
        end = time.monotonic() + LATEST
        while not moment.exists() and time.monotonic() < end:
            time.sleep(0.01)

    _before(Claims, "__init__", wait)


def _at_record(act: Act) -> None:
    _before(RecordStore, "add", act)


def _raises(error: Exception) -> Act:
    def act() -> None:
        raise error

    return act


def _other_model(act: Act) -> None:
    resolve = run.resolve_model

    def resolved(asked: run.ModelRequest) -> Any:
        act()
        return resolve(run.ModelRequest("random:vit_mini/8", {}, "", "", None))

    run.resolve_model = resolved


def _other_data(act: Act) -> None:
    opened = base.open_dataset

    def shorter(*arguments: Any) -> Any:
        act()
        images = opened(*arguments)
        return images.subset(range(len(images) - 1))

    base.open_dataset = shorter


FAULTS: dict[str, tuple[Callable[[Act], None], Act]] = {
    "slow": (_at_network, functools.cache(lambda: time.sleep(3))),
    "bad input": (_at_image, _raises(OSError(TRUNCATED))),
    "exception": (_at_network, _raises(MemoryError("8 GiB"))),
    "other model": (_other_model, lambda: None),
    "other data": (_other_data, lambda: None),
    "full disk": (_at_record, _raises(OSError(28, "No space left on device", "results"))),
    "kill": (_at_network, lambda: os._exit(9)),
}


def _faulted(task: str, fault: str) -> int:
    """The process that has the fault; there may be one alone."""
    by_first = fault == "full disk" or (task in BY_FIRST and fault != "other model")
    return 0 if by_first or world_size() == 1 else 1


def _evaluate(rank: int, task: str, fault: str, output: Path, moment: Path) -> str:
    if fault and rank == _faulted(task, fault):
        place, act = FAULTS[fault]
        place(_timed(act, moment))
    elif fault and FAULTS[fault][0] in (_at_network, _at_image):
        _claim_nothing_before(moment)
    data, settings = TINY[task]
    evaluate(task, MODEL, data, output=output, settings=settings)
    return "done"


def outcome(task: str, fault: str, processes: int) -> tuple[list[Any], dict[str, Any], float | None]:
    """What each process ended by, the record that is left, and the seconds from the fault to the end."""
    shutil.rmtree(cache_folder("features"), ignore_errors=True)  # so that every task runs the network
    with tempfile.TemporaryDirectory() as folder:
        output, moment = Path(folder) / "records", Path(folder) / "moment"
        ended = in_processes(_evaluate, processes, task, fault, output, moment, seconds=LONGEST)
        after = time.time() - float(moment.read_text()) if moment.exists() else None
        records = [json.loads(path.read_text()) for path in output.glob("*.json")]
    return ended, next((record for record in records if not record["error"]), {}), after


def _said(ended: list[Any]) -> str:
    """What the processes ended by, each way once."""

    def words(each: Any) -> str:
        return "gone" if each is None else each if isinstance(each, str) else f"{type(each).__name__}: {each}"[:160]

    return "; ".join(dict.fromkeys(words(each) for each in ended))


def _left(task: str, record: dict[str, Any], alone: dict[str, Any]) -> str:
    if not record:
        return "none"
    if left_out := [line for line in record["warnings"] if TRUNCATED in line]:
        return f"names what it leaves out: {'; '.join(left_out + record['because'])}"
    timed = "throughput" in task  # whose figure is a time
    same = timed or record["metrics"] == alone["metrics"]
    return "as by one process" if same else f"DIFFERS: {record['metrics']} for {alone['metrics']}"


def faults(tasks: list[str], asked: list[str], processes: int) -> None:
    """Print a row for every task and fault."""
    for task in tasks:
        alone = outcome(task, "", 1)[1]
        for fault in ("", *asked):
            ended, record, after = outcome(task, fault, processes)
            unmet = "not met" if fault else ""  # as bad input where none is read
            soon = unmet if after is None else f"{after:.0f} s"
            _row(task, fault or "none", _said(ended), _left(task, record, alone), soon)


def by_processes(tasks: list[str]) -> None:
    """Print a row for every task: its first figure by 1, 2 and 4 processes, and whether all its figures are equal."""
    for task in tasks:
        ended, found, _ = zip(*(outcome(task, "", count) for count in (1, 2, 4)), strict=True)
        if not all(found):
            _row(task, *map(_said, ended), "no record")
            continue
        one, two, four = (each["metrics"] for each in found)
        name = next(iter(one), "")
        equal = "yes" if one == two == four else "no"
        _row(
            f"{task} {name}",
            *(f"{each.get(name, float('nan'))!r}" for each in (one, two, four)),
            f"{equal} ({len(one)})",
        )


def _row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--by-processes", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--faults", default=",".join(FAULTS), help="some of them, with commas; by default all")
    parser.add_argument("tasks", nargs="*", metavar="TASK")
    asked = parser.parse_args()
    start_server([f"dinobench.evaluators.{found.name}.evaluate" for found in pkgutil.iter_modules(evaluators.__path__)])
    with tempfile.TemporaryDirectory() as cache:
        os.environ[CACHE_VARIABLE] = cache
        os.chdir(cache)
        write_data(Path(), MODEL)
        if asked.by_processes:
            by_processes(asked.tasks or list(TINY))
        else:
            faults(asked.tasks or list(TINY), asked.faults.split(","), asked.processes)


if __name__ == "__main__":
    main()
