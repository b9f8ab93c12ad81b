"""Jobs dealt out to the devices of this machine: one process a job, one job a device at a time."""

from __future__ import annotations

import itertools
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dinobench.runtime.hardware_failures import DEVICE_FAILED

ENDED_BY_ITSELF = (0, 1, 2)  # exit codes of dinobench: with any other the process died

Placer = Callable[[Sequence[str], str], Sequence[str]]
"""The command for one device, from a command and the device's name."""


@dataclass
class QueueOutcome:
    """What became of the jobs.

    Attributes:
        failed: the last line that each failed job printed, by the job's name.
        died: the device on which each job's process died.
    """

    failed: dict[str, str] = field(default_factory=dict)
    died: dict[str, str] = field(default_factory=dict)


def run_on_devices(
    commands: Mapping[str, Sequence[str]],
    devices: Sequence[str],
    place: Placer,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, str]:
    """Run every command on the next free device; where its process or device dies, once more, elsewhere if it can.

    Args:
        commands: by the job's name.
        devices: such as cuda:0, cuda:1.
        place: see `Placer`.
        report: called with one line at each job's end.

    Returns:
        The last line that each failed job printed, by the job's name.
    """
    waiting: queue.Queue[str] = queue.Queue()
    for name in commands:
        waiting.put(name)
    first = _on_each(dict.fromkeys(devices, waiting), commands, place, report)
    if not first.died:
        return first.failed
    second = _on_each(_dealt_elsewhere(first.died, devices), commands, place, report)
    return {**first.failed, **second.failed, **{name: f"died on {where} too" for name, where in second.died.items()}}


def _dealt_elsewhere(died: Mapping[str, str], devices: Sequence[str]) -> dict[str, queue.Queue[str]]:
    """Each job in the queue of another device than the one on which it died; where there is one alone, of that."""
    dealt: dict[str, queue.Queue[str]] = {device: queue.Queue() for device in devices}
    turns = itertools.cycle(devices)
    for name, where in died.items():
        dealt[next(device for device in turns if device != where or len(devices) == 1)].put(name)
    return dealt


def _on_each(
    queues: Mapping[str, queue.Queue[str]],
    commands: Mapping[str, Sequence[str]],
    place: Placer,
    report: Callable[[str], None],
) -> QueueOutcome:
    outcome, lock = QueueOutcome(), threading.Lock()

    def work(device: str) -> None:
        while True:
            try:
                name = queues[device].get_nowait()
            except queue.Empty:
                return
            code, last = run_command(place(commands[name], device))
            with lock:
                _note_job(outcome, name, device, code, last, report)

    threads = [threading.Thread(target=work, args=(device,), daemon=True) for device in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def _note_job(
    outcome: QueueOutcome, name: str, device: str, code: int, last: str, report: Callable[[str], None]
) -> None:
    if code == 0:
        report(f"{name} done on {device}")
    elif code in ENDED_BY_ITSELF and not last.startswith(DEVICE_FAILED):
        outcome.failed[name] = last or f"exit code {code}"
        report(f"{name} failed on {device}: {outcome.failed[name]}")
    else:
        outcome.died[name] = device
        report(f"{name} died on {device} ({last or 'no word'}, exit code {code})")


def run_command(command: Sequence[str]) -> tuple[int, str]:
    """Exit code of a command and the last line that it wrote to standard error, else to standard output."""
    done = subprocess.run(list(command), capture_output=True, text=True, errors="replace")
    lines = [line for text in (done.stdout, done.stderr) for line in text.splitlines() if line.strip()]
    return done.returncode, lines[-1].removeprefix("Error: ") if lines else ""
