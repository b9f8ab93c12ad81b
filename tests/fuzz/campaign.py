"""Runs of the child, begun again behind each file that ended it."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.forked import start, wait_for
from tests.fuzz.child import read_all


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
        code, said = _run_child(partial(read_all, reader, first, mutations, seed, left))
        for line in said.splitlines():
            if line.startswith("at "):
                first = int(line[3:]) + 1
            elif line.startswith('{"mutation"'):
                raw = json.loads(line)
                found.setdefault((raw["error"], raw["at"]), Finding(reader, **raw))
        if code == 0:
            break
        if "at " not in said:
            raise RuntimeError(said)
        how = "endless or slow" if "Timeout" in said else f"ended by {code}"
        found.setdefault((how, ""), Finding(reader, first - 1, how, _last_place(said)))
    return Attack(first, list(found.values()))


def _run_child(work: Callable[[], object]) -> tuple[int, str]:
    """Exit code of a copy of this process, which need not import again, and what it said."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        code = wait_for(start(work, said, {}))
        said.seek(0)
        return code, said.read()


def _last_place(trace: str) -> str:
    lines = [line for line in trace.splitlines() if "/dinobench/" in line]
    return lines[0].strip() if lines else "outside"
