"""How the processes of a launcher find each other."""

from __future__ import annotations

import os
from datetime import timedelta

import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from dinobench.runtime.errors import InputError, ProcessError
from dinobench.runtime.launch import ends_together, launch_number, launched
from dinobench.runtime.meeting import Meeting

LIMIT = timedelta(days=30)  # honest work takes as long as it takes
TOGETHER = timedelta(seconds=30)  # in which processes come together, since one that never came gives no sign


def meet_others() -> Meeting:
    """Where the processes meet; without a launcher that looks after them, one that never comes is not waited for.

    Raises:
        InputError: the environment does not say where.
        ProcessError: not all came.
    """
    looked_after, (_, count) = ends_together(), launched()
    try:
        store, number, count = next(rendezvous("env://", timeout=LIMIT if looked_after else TOGETHER))
        return Meeting(store, number, count, looked_after=looked_after)
    except dist.DistError as error:
        reason = " ".join(str(error).split())
        raise ProcessError(
            f"not all of {count} processes came within {TOGETHER.seconds} s ({reason:.200}); see their output, and "
            "start all at once or by torchrun"
        ) from error
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"WORLD_SIZE is set but no launcher's group is described ({reason}); use torchrun") from error


def refuse_bare_srun() -> None:
    """Several tasks of srun that nobody told how to meet would each do all of the work."""
    tasks = launch_number("SLURM_STEP_NUM_TASKS", 1)
    if tasks > 1 and "WORLD_SIZE" not in os.environ:
        raise InputError(
            f"srun started {tasks} processes that cannot find each other; start one a node and torchrun in it, "
            "or export RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT"
        )
