"""Whether another process still lives, where this machine can tell."""

from __future__ import annotations

import contextlib
import functools
import platform
from pathlib import Path


@functools.cache
def process_names() -> str:
    """Names this machine, and in it this container, whose process numbers are its own."""
    place = platform.node()
    with contextlib.suppress(OSError):
        place += str(Path("/proc/self/ns/pid").readlink())
    return place


@functools.cache
def running_system() -> str:
    """`process_names` of this start of the machine: no other has it, though two be called alike."""
    with contextlib.suppress(OSError):
        return process_names() + Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return process_names()


def has_ended(number: int) -> bool:
    """Whether the process of that number on this machine has ended, though its parent may not have asked how."""
    import psutil

    if not psutil.pid_exists(number):
        return True
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(number).status() == psutil.STATUS_ZOMBIE)
    return False
