"""What one process fails by, told to the others."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from dinobench.runtime.errors import InputError, ProcessError, RunFailedError
from dinobench.runtime.hardware_failures import is_device_failure, reason_of
from dinobench.runtime.signals import StoppedError


@dataclass(frozen=True)
class Failure:
    """What ended the work of one process, in a form that travels.

    Attributes:
        rank: of the process.
        kind: "input" (bad input), "run" (a run that failed by itself), "stopped" (by a signal), "lost" (it missed
            another process), "device" (that gave out) or "other".
        message: one line; of other errors that of memory that gave out, or with the error's name in front.
        signal: number of the signal that stopped it.
        step: at which it stopped.
    """

    rank: int
    kind: str
    message: str
    signal: int = 0
    step: int = 0

    def raised(self) -> Exception:
        """The exception that the other processes raise, of the same exit code."""
        line = f"process {self.rank}: {self.message}"
        if self.kind == "input":
            error: Exception = InputError(line)
        elif self.kind == "run":
            error = RunFailedError(line)
        elif self.kind == "stopped":
            error = StoppedError(self.signal, self.step)
        elif self.kind == "lost":
            error = ProcessError(self.message)
        else:
            error = ProcessError(f"process {self.rank} failed: {self.message}")
        error.failure = self  # type: ignore[attr-defined]
        return error


def failure_of(rank: int, error: BaseException) -> Failure:
    """What to tell the others of `error`; of one that came from another process, what that one told."""
    told: Failure | None = getattr(error, "failure", None)
    if told is not None:
        return told
    if isinstance(error, InputError):
        return Failure(rank, "input", str(error))
    if isinstance(error, RunFailedError):
        return Failure(rank, "run", str(error))
    if isinstance(error, StoppedError):
        return Failure(rank, "stopped", str(error), error.number, error.step)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(rank, "input", f"the disk is full ({error.filename}); free space and run again")
    if isinstance(error, ProcessError):
        return Failure(rank, "lost", str(error))
    return Failure(rank, "device" if is_device_failure(error) else "other", reason_of(error))
