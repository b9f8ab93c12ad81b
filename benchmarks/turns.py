"""How the benchmarks measure: side by side, in processes of their own, one at a time and by turns.

A setting of the process (allocator, oneDNN) cannot be taken back, and a machine stalls now and then: so each side has
a process, the sides are interleaved, and medians are compared.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True)
class Turn:
    """One run of one side: wall and CPU seconds, and what it returned."""

    wall: float
    cpu: float
    result: Any


def take_turns(sides: Mapping[str, Callable[[], Callable[[], Any]]], repeats: int) -> dict[str, list[Turn]]:
    """Run every side `repeats` times, in turn.

    Args:
        sides: for each, what prepares it in its process and gives what is then run by the clock; both must pickle.
        repeats: runs of each side; prepare a warm-up in the side itself if it needs one.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, prepare in sides.items():
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(theirs, prepare), daemon=True))
        processes[-1].start()
        theirs.close()  # the process holds the only other end: if it dies, recv ends by EOFError
        pipes[name].recv()  # prepared: one at a time
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, pipe in pipes.items():
            pipe.send(True)
            turns[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join()
    return turns


def _serve(pipe: Connection, prepare: Callable[[], Callable[[], Any]]) -> None:
    run = prepare()
    pipe.send("ready")
    while pipe.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        pipe.send(Turn(time.perf_counter() - wall, time.process_time() - cpu, result))


def medians(turns: Sequence[Turn]) -> tuple[float, float]:
    """Median wall and CPU seconds."""
    return statistics.median(turn.wall for turn in turns), statistics.median(turn.cpu for turn in turns)


def in_fresh_process(script: str, arguments: Sequence[str]) -> Any:
    """What `script` prints as JSON in its last line, run by this Python with `arguments`."""
    done = subprocess.run([sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{script} {' '.join(arguments)} failed; its own message stands above")
    return json.loads(done.stdout.splitlines()[-1])
