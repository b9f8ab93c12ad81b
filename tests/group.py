"""Several processes in one test, joined as a launcher would join them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dinobench.runtime.processes import process_group

SECONDS = 60


def in_processes(work: Callable[..., Any], count: int, *arguments: Any, seconds: float = SECONDS) -> list[Any]:
    """What work(rank, *arguments) gives in each of `count` processes of a gloo group: its value, or the error raised.

    A process that dies without a word gives None; one that runs for longer than `seconds` is an assertion error.
    """
    context, port = multiprocessing.get_context("fork"), _free_port()
    with tempfile.TemporaryDirectory() as folder:
        answers = [Path(folder) / str(rank) for rank in range(count)]
        started = [
            context.Process(target=_one, args=(work, rank, count, port, answer, arguments))
            for rank, answer in enumerate(answers)
        ]
        for process in started:
            process.start()
        for process in started:
            process.join(seconds)
        hung = [rank for rank, process in enumerate(started) if process.is_alive()]
        for process in started:
            process.kill()
        assert not hung, f"processes {hung} hang"
        return [pickle.loads(answer.read_bytes()) if answer.exists() else None for answer in answers]


def _one(work: Callable[..., Any], rank: int, count: int, port: int, answer: Path, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(count), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    found: Any
    try:
        with process_group(torch.device("cpu")):
            found = work(rank, *arguments)
    except Exception as error:
        found = error
    answer.write_bytes(pickle.dumps(found))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
