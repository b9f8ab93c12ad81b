"""One process or many: the few things that differ."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor

from dinobench.runtime.errors import InputError


def rank() -> int:
    """Number of this process, 0 without a group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes, 1 without a group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def mean_over_processes(tensor: Tensor) -> Tensor:
    """The mean of `tensor` over all processes; itself where there is one."""
    return sum_over_processes(tensor) / world_size()


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum of `tensor` over all processes; itself where there is one."""
    return _reduced(tensor, dist.ReduceOp.SUM)


def max_over_processes(tensor: Tensor) -> Tensor:
    """The element-wise largest of `tensor` over all processes; itself where there is one."""
    return _reduced(tensor, dist.ReduceOp.MAX)


def gather_from_processes(tensor: Tensor) -> Tensor:
    """The rows of all processes' tensors of equal shape, one process after the other."""
    if world_size() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def _reduced(tensor: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    if world_size() == 1:
        return tensor
    result = tensor.clone()
    dist.all_reduce(result, operation)
    return result


def barrier() -> None:
    """Wait for all processes."""
    if world_size() > 1:
        dist.barrier()


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the group that a launcher such as torchrun described in the environment, if any; yields this rank's device.

    nccl on CUDA devices, gloo elsewhere.

    Raises:
        InputError: more processes on this machine than CUDA devices.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield device
        return
    if device.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise InputError(
                f"process {local} of this machine has no CUDA device of its own: only {torch.cuda.device_count()} "
                "are visible; start as many processes as there are devices"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()
