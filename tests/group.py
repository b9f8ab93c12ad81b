"""Several processes in one test, joined as a launcher would join them.

They are forks of a server that has imported the tests' modules and computes nothing: torch refuses a backward pass in a
fork of a process that had one. So nothing that a test changed in its own process is changed in them, but the variables
of the environment and the working directory; `work` is a function of a module, and what it needs are its arguments.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import torch

from dinobench.models.loading import timm_index
from dinobench.runtime.processes import process_group

SECONDS = 180  # on a machine of any load
LACKS_MEMORY = "process 1 failed: out of memory (8 GiB); lower batch_size or image_size, or take a larger device"
"""What the others end by after MemoryError("8 GiB") in the second process."""
CONTEXT = multiprocessing.get_context("forkserver")


def start_server(modules: Sequence[str]) -> None:
    """Start the server, which imports these modules while the tests begin; without this it starts when it is needed."""
    CONTEXT.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def in_processes(work: Callable[..., Any], count: int, *arguments: Any, seconds: float = SECONDS) -> list[Any]:
    """What work(rank, *arguments) gives in each of `count` processes of a gloo group: its value, or the error raised.

    A process that dies without a word gives None; one that runs for longer than `seconds` is an assertion error.
    """
    return in_launched(_joined, group_variables(count), work, *arguments, seconds=seconds)


def group_variables(count: int) -> list[dict[str, str]]:
    """What a launcher such as torchrun says in the environment of each process."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [{**shared, "RANK": str(rank)} for rank in range(count)]


def in_launched(
    work: Callable[..., Any], variables: Sequence[Mapping[str, str]], *arguments: Any, seconds: float = SECONDS
) -> list[Any]:
    """As `in_processes`, of processes that have these variables beside this one's and are in no group yet."""
    with tempfile.TemporaryDirectory() as folder:
        answers = [Path(folder) / str(rank) for rank in range(len(variables))]
        started = [
            CONTEXT.Process(target=_one, args=(work, rank, arguments, answer, {**os.environ, **variables[rank]}))
            for rank, answer in enumerate(answers)
        ]
        for process in started:
            process.start()
        for process in started:
            process.join(seconds)
        for answer in answers:
            sys.stderr.write(_said(answer).read_text(errors="replace") if _said(answer).exists() else "")
        hung = [rank for rank, process in enumerate(started) if process.is_alive()]
        for process in started:
            process.kill()
        assert not hung, f"processes {hung} hang"
        return [pickle.loads(answer.read_bytes()) if answer.exists() else None for answer in answers]


def _joined(rank: int, work: Callable[..., Any], *arguments: Any) -> Any:
    with process_group(torch.device("cpu")):
        return work(rank, *arguments)


def _one(
    work: Callable[..., Any], rank: int, arguments: tuple[Any, ...], answer: Path, environment: Mapping[str, str]
) -> None:
    with _said(answer).open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    torch.set_num_threads(1)
    timm_index.networks = dict  # as tests/conftest.py has it
    os.environ.clear()
    os.environ.update(environment)
    found: Any
    try:
        found = work(rank, *arguments)
    except Exception as error:
        found = error
    answer.write_bytes(pickle.dumps(found))


def _said(answer: Path) -> Path:
    """What a process wrote to its terminal."""
    return answer.with_suffix(".txt")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
