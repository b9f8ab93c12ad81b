"""Jobs dealt out to the devices of this machine: one process a job, one job a device at a time."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

W = TypeVar("W")

_ENDED_BY_ITSELF = (0, 1, 2)  # exit codes of dinobench: anything else is a process that died
TRIES = 2


@dataclass
class QueueOutcome:
    """What became of the jobs: names of those that failed, with the last line that they printed."""

    failed: dict[str, str] = field(default_factory=dict)


def run_on_devices(
    commands: dict[str, Sequence[str]],
    devices: Sequence[str],
    place: Callable[[Sequence[str], str], Sequence[str]],
    report: Callable[[str], None] = lambda line: None,
) -> QueueOutcome:
    """Run every command, each on the next free device; one whose process dies is tried once more, elsewhere if it can.

    Args:
        commands: by the job's name.
        devices: such as cuda:0, cuda:1.
        place: the command for one device.
        report: called with one line at each job's end.
    """
    waiting: queue.Queue[tuple[str, int, str]] = queue.Queue()
    for name in commands:
        waiting.put((name, 1, ""))
    outcome, lock = QueueOutcome(), threading.Lock()

    def work(device: str) -> None:
        while True:
            try:
                name, attempt, died_on = waiting.get_nowait()
            except queue.Empty:
                return
            if died_on == device and len(devices) > 1 and attempt < TRIES + len(devices):
                waiting.put((name, attempt, died_on if waiting.empty() else ""))
                continue
            code, last = _run(place(commands[name], device))
            with lock:
                if code not in _ENDED_BY_ITSELF and attempt < TRIES:
                    report(f"{name} died on {device} (exit {code}); it is tried once more")
                    waiting.put((name, attempt + 1, device))
                elif code != 0:
                    outcome.failed[name] = last or f"exit {code}"
                    report(f"{name} failed on {device}: {outcome.failed[name]}")
                else:
                    report(f"{name} done on {device}")

    threads = [threading.Thread(target=work, args=(device,), daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Exit code of a command and the last line that it wrote to standard error, else to standard output."""
    done = subprocess.run(list(command), capture_output=True, text=True, errors="replace")
    lines = [line for text in (done.stdout, done.stderr) for line in text.splitlines() if line.strip()]
    return done.returncode, lines[-1].removeprefix("Error: ") if lines else ""
