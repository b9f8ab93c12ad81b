"""What the process does that reads: under limits of memory and time, telling what it found."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path

from dinobench.runtime.errors import InputError
from tests.fuzz.mutations import mutated
from tests.fuzz.readers import READERS

MEMORY = 3 << 30
"""Bytes of address space above what the imports take."""

SECONDS = 120
"""For so many files, on a machine with other work: setting the alarm takes longer than most files."""

WATCHED = 64
"""Files between two settings of the alarm."""

MEMORY_DISK = Path("/dev/shm")
"""Where there is one, the files lie in memory: none waits for a disk."""


def read_all(name: str, first: int, mutations: int, seed: int, seconds: float) -> None:
    """Print "at N" before each mutation from `first` on, and a JSON line for what is neither result nor InputError."""
    reader = READERS[name]
    sound, end = reader.content(), time.monotonic() + seconds
    _limit_memory()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None) as folder:
        path = Path(folder) / reader.name
        path.parent.mkdir(parents=True, exist_ok=True)
        for number in range(first, mutations):
            if time.monotonic() > end:
                break
            _say(f"at {number}")
            path.write_bytes(mutated(sound, random.Random(_number_of(seed, name, number))))
            if number % WATCHED == 0 or number == first:
                faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                reader.read(path)
            except InputError:
                pass
            except Exception as error:
                _say(json.dumps({"mutation": number, "error": type(error).__name__, "at": _place(error)}))
    faulthandler.cancel_dump_traceback_later()


def _say(line: str) -> None:
    """Write to the process's own output, past what may stand before it, and at once."""
    os.write(1, f"{line}\n".encode())


def _number_of(seed: int, name: str, mutation: int) -> int:
    """A number of each mutation's own, from which it is drawn; a text in its place takes longer than a small file."""
    return (seed << 64) + (zlib.crc32(name.encode()) << 32) + mutation


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
