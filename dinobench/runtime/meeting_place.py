"""How the processes of a launcher find each other."""

from __future__ import annotations

import functools
import os
from datetime import timedelta

import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from dinobench.runtime.errors import InputError, ProcessError
from dinobench.runtime.launch import ends_together, launch_number, launched
from dinobench.runtime.meeting import Meeting

LIMIT = timedelta(days=30)  # honest work takes as long as it takes
TOGETHER = timedelta(seconds=30)  # in which processes come together, since one that never came gives no sign
_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE")


def meet_others() -> Meeting:
    """A new meeting of the processes; without a launcher that looks after them, one that never comes is not waited for.

    Raises:
        InputError: the environment does not say where.
        ProcessError: not all came.
    """
    looked_after, (number, count) = ends_together(), launched()
    try:
        store = _open_store(*map(os.environ.get, _VARIABLES))
        times = store.add(f"meetings of {number}", 1)  # as often as the others, in this process or in one before it
        own = PrefixStore(f"meeting {times}", store)  # nothing that one meeting left answers the next
        return Meeting(own, number, count, signs=store, looked_after=looked_after)
    except dist.DistError as error:
        reason = " ".join(str(error).split())
        raise ProcessError(
            f"not all of {count} processes came within {TOGETHER.seconds} s ({reason:.200}); see their output, and "
            "start all at once or by torchrun"
        ) from error
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"WORLD_SIZE is set but no launcher's group is described ({reason}); use torchrun") from error


@functools.cache
def _open_store(*variables: str | None) -> Store:
    """The store that these variables of the environment describe, which is kept: the first process may hold it."""
    store: Store = next(rendezvous("env://", timeout=LIMIT if ends_together() else TOGETHER))[0]
    return store


def refuse_bare_srun() -> None:
    """Several tasks of srun that nobody told how to meet would each do all of the work."""
    tasks = launch_number("SLURM_STEP_NUM_TASKS", 1)
    if tasks > 1 and "WORLD_SIZE" not in os.environ:
        raise InputError(
            f"srun started {tasks} processes that cannot find each other; start one a node and torchrun in it, "
            "or export RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT"
        )
