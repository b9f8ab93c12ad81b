"""A table's jobs in a cluster's queue: one job a model and task, as one array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinobench.pipeline.job_queue import ENDED_BY_ITSELF, run_command
from dinobench.runtime import cluster


@dataclass(frozen=True)
class QueuedCommand:
    """A command line as a job; one whose process dies is tried once more there.

    A job that is preempted or reaches its time limit is put back in the queue, and takes up what was kept.
    """

    command: tuple[str, ...]

    def __call__(self) -> str:
        """Run it; returns "", or the last line that it wrote where it failed."""
        for _ in range(2):
            code, last = run_command(self.command)
            if code in ENDED_BY_ITSELF:
                return "" if code == 0 else last or f"exit code {code}"
        return f"died twice (exit code {code}): {last}"

    def checkpoint(self) -> Any:
        """What submitit submits again: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def submit_commands(
    commands: Mapping[str, Sequence[str]],
    launcher: str,
    folder: Path,
    resources: Mapping[str, Any],
    report: Callable[[str], None],
) -> dict[str, str]:
    """Hand every command to a queue: all as one array, or one after the other where the queue is this machine.

    Args:
        commands: by the job's name; those that share features next to each other.
        launcher: "slurm" or "local".
        folder: of the logs.
        resources: see `cluster.submit`.
        report: called with one line about the array, or about each job.

    Returns:
        The reason of each job that failed, by its name; of "slurm" none is known yet.

    Raises:
        InputError: as `cluster.submit`.
    """
    calls = {name: QueuedCommand(tuple(command)) for name, command in commands.items()}
    failed: dict[str, str] = {}
    if launcher == "slurm" and calls:
        jobs = cluster.submit(list(calls.values()), launcher, folder.absolute(), "dinobench", resources)
        report(f"{len(jobs)} jobs in the queue as {str(jobs[0].job_id).partition('_')[0]}, logs in {folder}")
        return failed
    for name, call in calls.items():
        (job,) = cluster.submit([call], launcher, folder.absolute(), "dinobench", resources)
        reason = _result_of(job)
        report(f"{name} {'failed' if reason else 'done'}, log in {job.paths.stderr}")
        failed |= {name: reason} if reason else {}
    return failed


def _result_of(job: Any) -> str:
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return str(job.result())
    except (FailedJobError, UncompletedJobError):
        return f"the job died; see {job.paths.stderr}"
