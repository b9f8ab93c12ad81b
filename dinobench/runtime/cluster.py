"""Calls handed to a cluster's queue, or to processes of this machine, through submitit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dinobench.runtime.errors import InputError

MINUTES = 24 * 60
LAUNCHERS = ("slurm", "local")


def submit(
    calls: Sequence[Callable[[], Any]], launcher: str, folder: Path, name: str, resources: Mapping[str, Any]
) -> list[Any]:
    """Hand calls to a queue; several are one array of jobs, in their order.

    Args:
        calls: pickled on the way there.
        launcher: "slurm", or "local" for processes of this machine.
        folder: of the jobs' logs.
        name: of the jobs in the queue.
        resources: submitit's, such as nodes, gpus_per_node, timeout_min (a day by default), or Slurm's own, such as
            gres and partition.

    Returns:
        submitit's jobs.

    Raises:
        InputError: submitit is not installed, there is no such cluster here, or a resource it does not know.
    """
    try:
        import submitit
    except ImportError as error:
        raise InputError(f"--launcher {launcher} needs submitit; install dinobench[slurm]") from error
    try:
        executor = submitit.AutoExecutor(folder, cluster=launcher)
        executor.update_parameters(name=name, **{"timeout_min": MINUTES, **_named_for_submitit(resources)})
        if len(calls) == 1:
            return [executor.submit(calls[0])]
        with executor.batch():
            return [executor.submit(call) for call in calls]
    except (RuntimeError, NameError, TypeError, ValueError, AssertionError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"cannot submit to {launcher}: {reason}; see --resource and submitit's parameters") from error


def _named_for_submitit(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Slurm's own words get the beginning by which submitit knows them."""
    from submitit import AutoExecutor, SlurmExecutor

    own = SlurmExecutor._valid_parameters() - AutoExecutor._typed_parameters().keys()
    return {f"slurm_{name}" if name in own else name: value for name, value in resources.items()}
