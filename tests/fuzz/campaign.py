"""Runs of the child, begun again behind each file that ended it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A file that gave neither a result nor one line: which mutation of which reader's file, and what came of it."""

    reader: str
    mutation: int
    error: str
    at: str

    def __str__(self) -> str:
        return f"{self.reader}: {self.error} at {self.at} (mutation {self.mutation})"


@dataclass(frozen=True)
class Attack:
    """What came of a reader's damaged files: how many were made, and each (error, place) once."""

    mutations: int
    findings: list[Finding]


def attack(reader: str, mutations: int, seed: int, seconds: float = math.inf) -> Attack:
    """Read `mutations` damaged files of a reader, or as many as `seconds` have room for."""
    found: dict[tuple[str, str], Finding] = {}
    first, end = 0, time.monotonic() + seconds
    while first < mutations and (left := end - time.monotonic()) > 0:
        command = [sys.executable, "-m", "tests.fuzz.child", reader, str(first), str(mutations), str(seed), str(left)]
        done = subprocess.run(command, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            if line.startswith("at "):
                first = int(line[3:]) + 1
            else:
                raw = json.loads(line)
                found.setdefault((raw["error"], raw["at"]), Finding(reader, **raw))
        if done.returncode == 0:
            break
        if "at " not in done.stdout:
            raise RuntimeError(done.stderr)
        how = "endless or slow" if "Timeout" in done.stderr else f"ended by {done.returncode}"
        found.setdefault((how, ""), Finding(reader, first - 1, how, _last_place(done.stderr)))
    return Attack(first, list(found.values()))


def _last_place(trace: str) -> str:
    lines = [line for line in trace.splitlines() if "/dinobench/" in line]
    return lines[0].strip() if lines else "outside"
