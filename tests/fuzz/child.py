"""The process that reads: under limits of memory and time, telling on stdout what it found."""

from __future__ import annotations

import faulthandler
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from dinobench.runtime.errors import InputError
from tests.fuzz.mutations import mutated
from tests.fuzz.readers import READERS

MEMORY = 3 << 30
"""Bytes of address space above what the imports take."""

SECONDS = 20
"""For one file, on a machine with other work."""


def read_all(name: str, first: int, mutations: int, seed: int, seconds: float) -> None:
    """Print "at N" before each mutation from `first` on, and a JSON line for what is neither result nor InputError."""
    reader = READERS[name]
    sound, end = reader.content(), time.monotonic() + seconds
    _limit_memory()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / reader.name
        path.parent.mkdir(parents=True, exist_ok=True)
        for number in range(first, mutations):
            if time.monotonic() > end:
                break
            print(f"at {number}", flush=True)
            path.write_bytes(mutated(sound, random.Random(f"{seed} {name} {number}")))
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                reader.read(path)
            except InputError:
                pass
            except Exception as error:
                print(json.dumps({"mutation": number, "error": type(error).__name__, "at": _place(error)}), flush=True)
            faulthandler.cancel_dump_traceback_later()


def _place(error: Exception) -> str:
    """The last line of ours that the exception went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/dinobench/" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "outside"


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    read_all(sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5]))
