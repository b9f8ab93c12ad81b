"""Wall time by phase and peak memory."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class Clock:
    """Adds up wall seconds under names; phases may repeat."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of the block under `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far, in bytes."""
    if (peak := resident_bytes("VmHWM")) is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # may count the process that started this one
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes(field: str = "VmRSS") -> int | None:
    """A figure of Linux' /proc/self/status, None elsewhere.

    Args:
        field: VmRSS for what is resident now, VmHWM for the most since the program started; RssAnon and RssFile are
            the parts of VmRSS that belong to the process and that are pages of mapped files.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)
