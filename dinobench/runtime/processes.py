"""One process or many: the few things that differ, and the one place where processes agree.

Every choice that could differ between processes (which model, which data, whether to save or to stop, whether one
failed) goes through `agree`, `any_process`, `from_first` or `fail_together`. Without a group all of them do nothing.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore

from dinobench.runtime.device import group_device, kind_of, use_device, visible_devices
from dinobench.runtime.errors import InputError, ProcessError
from dinobench.runtime.failures import failure_of
from dinobench.runtime.launch import launch_number, launched
from dinobench.runtime.meeting import Meeting
from dinobench.runtime.meeting_place import LIMIT, TOGETHER, meet_others, refuse_bare_srun

T = TypeVar("T")
_meeting: Meeting | None = None
_foreign: tuple[Any, Meeting] | None = None  # the group that somebody else made, and where it meets


def rank() -> int:
    """Number of this process, 0 without a group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes, 1 without a group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def gather_objects(value: T, what: str) -> list[T]:
    """Every process's value, in their order; `what` names it and must be the same in all."""
    meeting = _joined_meeting()
    return [value] if meeting is None else meeting.exchange(what, value)


def agree(value: T, what: str, remedy: str = "start all processes with the same input") -> T:
    """The value, which must be the same in every process.

    Raises:
        InputError: it is not; names `what` and two values, of mappings what differs in them, and ends in `remedy`.
    """
    first, *others = gather_objects(value, what)
    for other, theirs in enumerate(others, 1):
        if theirs != first:
            here, there = _differing(first, theirs), _differing(theirs, first)
            raise InputError(
                f"{what} differs between processes: {here} in process 0, {there} in process {other}; {remedy}"
            )
    return value


def _differing(value: object, other: object) -> object:
    """What of a mapping is not so in the other one; any other value whole."""
    if not (isinstance(value, Mapping) and isinstance(other, Mapping)):
        return value
    return ", ".join(f"{key} = {each}" for key, each in value.items() if key not in other or other[key] != each)


def own_share(count: int) -> range:
    """This process's part of `count` things in a row: the shares are consecutive, and differ by one at most."""
    return range(count * rank() // world_size(), count * (rank() + 1) // world_size())


def any_process(flag: bool, what: str) -> bool:
    """Whether any process says so: clocks and signals differ, but all must save or stop together."""
    return any(gather_objects(flag, what))


def from_first(make: Callable[[], T], what: str) -> T:
    """What the first process makes, in all of them; an error of it is raised in all."""
    with fail_together(what):
        made = make() if rank() == 0 else None
        if world_size() == 1:
            return made  # type: ignore[return-value]
        content = pickle.dumps(made)
        size = gather_objects(len(content), f"size of {what}")[0]
        here = group_device(dist.get_backend())
        carried = torch.frombuffer(bytearray(content.ljust(size)), dtype=torch.uint8)[:size].to(here)
        copy_from_first(carried)
        result: T = pickle.loads(carried.cpu().numpy().tobytes())
        return result


@contextlib.contextmanager
def fail_together(task: str) -> Iterator[None]:
    """Within, an error of one process ends the work of all, with that process's message and exit code.

    A caller that catches the error and goes on calls `begin_anew` first.
    """
    meeting = _joined_meeting()
    with contextlib.nullcontext() if meeting is None else meeting.task(task):
        yield


def begin_anew() -> None:
    """After an error that `fail_together` raised in every process: wait for all, and go on with a clean group."""
    if (meeting := _joined_meeting()) is None:
        return
    meeting.begin_anew()
    if _meeting is not None:
        backend = dist.get_backend()
        dist.destroy_process_group()
        _connect_group(_meeting, backend)


def look_for_failures() -> None:
    """Raise what another process failed by; for loops that go on for long without an exchange."""
    if _meeting is not None:
        _meeting.look()


def mean_over_processes(tensor: Tensor) -> Tensor:
    """The mean of `tensor` over all processes; itself where there is one."""
    return sum_over_processes(tensor) / world_size()


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum of `tensor` over all processes; itself where there is one."""
    return _reduce_tensor(tensor, dist.ReduceOp.SUM)


def max_over_processes(tensor: Tensor) -> Tensor:
    """The element-wise largest of `tensor` over all processes; itself where there is one."""
    return _reduce_tensor(tensor, dist.ReduceOp.MAX)


def gather_from_processes(tensor: Tensor) -> Tensor:
    """The rows of all processes' tensors of equal shape, one process after the other."""
    if world_size() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    _finish_work(dist.all_gather(parts, tensor.contiguous(), async_op=True))
    return torch.cat(parts)


def copy_from_first(tensor: Tensor) -> None:
    """Overwrite `tensor` with the first process's."""
    copy_from(tensor, 0)


def copy_from(tensor: Tensor, source: int) -> None:
    """Overwrite `tensor` with that of process `source`."""
    if world_size() > 1:
        _finish_work(dist.broadcast(tensor, source, async_op=True))


def barrier() -> None:
    """Wait for all processes."""
    gather_objects(None, "barrier")


def _reduce_tensor(tensor: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    if world_size() == 1:
        return tensor
    result = tensor.clone()
    _finish_work(dist.all_reduce(result, operation, async_op=True))
    return result


def _finish_work(work: dist.Work | None) -> None:
    """Wait for a collective, or raise what keeps another process from joining it."""
    if work is None:
        return
    if _meeting is not None and dist.get_backend() == "gloo":  # nccl's waiting holds the device alone: `_connect_group`
        pause = 0.0
        while not work.is_completed():
            time.sleep(pause)
            pause = min(pause + 2e-5, 1e-3)
            look_for_failures()
    try:
        work.wait()
    except RuntimeError as error:
        raise (_meeting or _meeting_of_foreign_group()).explain_loss(error) from error


def _joined_meeting() -> Meeting | None:
    """Where the processes of the group meet; None where there is one process."""
    if world_size() == 1:
        return None
    return _meeting or _meeting_of_foreign_group()


def _meeting_of_foreign_group() -> Meeting:
    """For a group that the caller of the library made; it lives as long as that group."""
    global _foreign
    group = dist.distributed_c10d._get_default_group()
    if _foreign is None or _foreign[0] is not group:
        store = PrefixStore("dinobench", dist.distributed_c10d._get_default_store())
        _foreign = group, Meeting(store, rank(), world_size(), beats=False, looked_after=True)
    return _foreign[1]


def _connect_group(meeting: Meeting, backend: str) -> None:
    """Make the group in which tensors travel.

    Nobody can look for failures while nccl waits within a kernel, so a thread aborts its communicators instead; torch's
    own watchdog, which would end the process without a word, is off.
    """
    store = PrefixStore(f"group {meeting.generation}", meeting.store)
    if backend == "nccl":
        os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
    patience = TOGETHER if backend == "gloo" else LIMIT  # gloo waits for all here
    try:
        dist.init_process_group(backend, store=store, rank=meeting.rank, world_size=meeting.processes, timeout=patience)
    except RuntimeError as error:  # one that died before this one had joined
        raise ProcessError(f"no group was made ({error}); another process may have ended, see its output") from error
    if backend == "gloo":
        set_timeout = getattr(dist, "set_timeout", None) or dist.distributed_c10d._set_pg_timeout  # its former name
        set_timeout(LIMIT, dist.distributed_c10d._get_default_group())
    elif backend == "nccl":
        meeting.call_on_failure(dist.distributed_c10d._get_default_group().abort)


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the group that a launcher such as torchrun described in the environment, if any; yields this rank's device.

    nccl on CUDA devices, gloo elsewhere. An error of one process that leaves the group ends all of them.

    Raises:
        InputError: two processes share a CUDA device, or the launcher did not say how the processes meet.
    """
    global _meeting
    refuse_bare_srun()
    if not launched_with_others() or dist.is_initialized():
        yield device
        return
    _meeting = meet_others()
    try:
        with _meeting.task("run"):
            own = _own_device(device, _meeting)
            _connect_group(_meeting, kind_of(own).group_backend)
            yield own
    finally:
        _meeting.leave()
        _meeting = None
        if dist.is_initialized():
            dist.destroy_process_group()


def launched_with_others() -> bool:
    """Whether a launcher started this process as one of several."""
    return launched()[1] > 1


def stay_away(error: Exception) -> None:
    """Tell the processes that wait for this one in `process_group` why it does not come; the caller raises `error`."""
    if not launched_with_others() or dist.is_initialized():
        return
    with contextlib.suppress(ProcessError):  # nobody waits
        meeting = meet_others()
        meeting.tell(failure_of(meeting.rank, error))
        meeting.leave()


def _own_device(device: torch.device, meeting: Meeting) -> torch.device:
    """This process's GPU: by its number on this machine, or the only one that its launcher lets it see."""
    local, visible = launch_number("LOCAL_RANK", 0), visible_devices(device)
    if not visible:
        meeting.exchange("device")
        return device
    own = torch.device(device.type, local if local < visible else 0)
    places = meeting.exchange("device", (socket.gethostname(), use_device(own)))
    if len(set(places)) < len(places):
        raise InputError(
            f"process {local} of this machine has no {device.type.upper()} device of its own: only {visible} are "
            "visible; start as many processes as there are devices"
        )
    return own
