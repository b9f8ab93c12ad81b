"""What a run tells: log.jsonl for machines; a bar or a line a minute, and a line per epoch, for people."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import IO, Any

from dinobench.runtime.console import meter, notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_text_atomically
from dinobench.runtime.trackers import Tracker, numbers_of

LOG = "log.jsonl"


class RunJournal:
    """Console and log of one run; silent in all processes but the first.

    Args:
        folder: the run directory.
        steps: of the whole run.
        done: finished steps; later lines of an earlier attempt are dropped from the log.
        speaking: whether this process writes.
        tracker: that gets the same figures; None for none.
    """

    def __init__(self, folder: Path, steps: int, done: int, *, speaking: bool, tracker: Tracker | None = None) -> None:
        self.path, self.speaking = folder / LOG, speaking
        if speaking:
            _keep_until(self.path, done)
        self._stream = self.path.open("ab", buffering=0) if speaking else None
        self._meter = meter("steps", steps, done)
        self._shown: dict[str, str] = {}
        self._tracker = tracker

    def step(self) -> None:
        """One more step is done."""
        self._meter.update(1)

    def write(self, line: dict[str, Any]) -> None:
        """Add a line to the log and show its figures beside the count of steps."""
        if self._stream is None:
            return
        _append_line(self._stream, self.path, json.dumps({**line, "time": round(time.time(), 3)}))
        if self._tracker is not None:
            self._tracker.log(numbers_of(line), line["step"])
        self._shown.update({key: _short_number(line[key]) for key in _SHOWN if key in line})
        self._meter.set_postfix(self._shown, refresh=False)

    def say(self, line: str) -> None:
        """A line for the user."""
        if self.speaking:
            notice(line)

    def close(self) -> None:
        """End the bar and the log."""
        self._meter.close()
        if self._tracker is not None:
            self._tracker.finish()
        if self._stream is not None:
            self._stream.close()


_SHOWN = ("loss", "entropy", "kl", "lr", "images_per_second", "knn")


def _short_number(value: float) -> str:
    return f"{value:.4g}"


def _append_line(stream: IO[bytes], path: Path, line: str) -> None:
    """Add a whole line to an unbuffered file or nothing; InputError where the disk is full."""
    before, data = stream.tell(), line.encode() + b"\n"
    try:
        if stream.write(data) == len(data):
            return
        reason = "only a part of a line could be written, the disk is probably full"
    except OSError as error:
        reason = str(error.strerror)
    with contextlib.suppress(OSError):
        os.truncate(path, before)
    raise InputError(f"cannot write {path}: {reason}; free the disk, then run again to go on")


def _keep_until(path: Path, step: int) -> None:
    """Drop the lines after `step`, all of them where it is 0, and one that a killed run left unfinished."""
    if not path.is_file():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if 0 < step >= _step_of(line)]
    write_text_atomically(path, "".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
