"""Several processes in one test, joined as a launcher would join them."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.queues import Queue
from typing import Any

import torch

from dinobench.runtime.processes import process_group

SECONDS = 60


def in_processes(work: Callable[..., Any], count: int, *arguments: Any) -> list[Any]:
    """What work(rank, *arguments) gives in each of `count` processes of a gloo group: its value, or the error raised.

    A process that dies without a word gives None.
    """
    context = multiprocessing.get_context("fork")
    answers: Queue[tuple[int, Any]] = context.Queue()
    port = _free_port()
    started = [
        context.Process(target=_one, args=(work, rank, count, port, answers, arguments)) for rank in range(count)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(SECONDS)
    hung = [rank for rank, process in enumerate(started) if process.is_alive()]
    for process in started:
        process.kill()
    assert not hung, f"processes {hung} hang"
    found: list[Any] = [None] * count
    while not answers.empty():
        rank, answer = answers.get()
        found[rank] = answer
    return found


def _one(work: Callable[..., Any], rank: int, count: int, port: int, answers: Any, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(count), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        with process_group(torch.device("cpu")):
            answer = work(rank, *arguments)
    except Exception as error:
        error.failure = None  # type: ignore[attr-defined]
        answer = error
    answers.put((rank, answer))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
