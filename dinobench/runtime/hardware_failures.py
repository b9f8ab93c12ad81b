"""What it means to a user that memory or a device gave out within a run."""

from __future__ import annotations

import re

from dinobench.runtime.errors import InputError, ProcessError, RunFailedError

DEVICE_FAILED = "the device failed"
"""How the line of a device that gave out begins."""
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
"""Parts of torch's messages: of CUDA, MPS and XPU, of the CPU, and of cuBLAS."""


def is_device_failure(error: BaseException) -> bool:
    """Whether a device gave out, this process's or that of one that told of it; nothing more can be done on it."""
    told = getattr(error, "failure", None)  # by another process
    return _gave_out(error) if told is None else told.kind == "device"


def failure_line(error: BaseException) -> str:
    """One line of what gave out and what to do; empty where it was something else, and not the hardware."""
    if _lacks_memory(error):
        return f"out of memory ({_asked_for(error)}); lower batch_size or image_size, or take a larger device"
    if _gave_out(error):
        return f"{DEVICE_FAILED} ({str(error).splitlines()[0]}); run again, on another device where there is one"
    return ""


def reason_of(error: BaseException) -> str:
    """Why a task failed, on one line."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError | RunFailedError):
        return text
    return failure_line(error) or f"{type(error).__name__}: {text}".rstrip(": ")


def _gave_out(error: BaseException) -> bool:
    return type(error).__name__ == "AcceleratorError" and not _lacks_memory(error)


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    own = isinstance(error, RuntimeError) and not isinstance(error, ProcessError)
    return own and any(part in str(error) for part in _OUT_OF_MEMORY)


def _asked_for(error: BaseException) -> str:
    """How much could not be had, without the allocator's own advice; else what the error says first."""
    if found := re.search(r"to allocate ([\d.]+ \w+)", str(error)):
        return f"it asked for {found[1]}"
    return (str(error) or type(error).__name__).splitlines()[0]
