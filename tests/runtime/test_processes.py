from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
import torch
import torch.distributed as dist

from dinobench.runtime import heartbeat, meeting, meeting_place, processes
from dinobench.runtime.errors import InputError, ProcessError
from dinobench.runtime.heartbeat import Patience, Sign
from dinobench.runtime.living import has_ended, running_system
from dinobench.runtime.processes import (
    agree,
    any_process,
    begin_anew,
    copy_from_first,
    fail_together,
    from_first,
    gather_from_processes,
    gather_objects,
    look_for_failures,
    process_group,
    sum_over_processes,
)
from dinobench.runtime.signals import StoppedError
from tests.group import LACKS_MEMORY, free_port, group_variables, in_launched, in_processes


def test_without_a_group_nothing_is_exchanged() -> None:
    assert agree(3, "steps") == 3
    assert gather_objects("a", "names") == ["a"]
    assert any_process(True, "late")
    assert from_first(lambda: 5, "choice") == 5
    with pytest.raises(InputError, match="alone"), fail_together("knn"):
        raise InputError("alone")
    begin_anew()
    look_for_failures()


def _values(rank: int) -> Any:
    tensor = torch.full((2,), float(rank))
    copied = tensor.clone()
    copy_from_first(copied)
    return (
        gather_objects(rank, "ranks"),
        any_process(rank == 1, "late"),
        any_process(False, "late"),
        from_first(lambda: f"made by {rank}", "choice"),
        sum_over_processes(tensor).tolist(),
        gather_from_processes(tensor).tolist(),
        copied.tolist(),
    )


def test_values_of_all_processes_come_together() -> None:
    wanted = ([0, 1, 2], True, False, "made by 0", [3.0, 3.0], [0.0, 0.0, 1.0, 1.0, 2.0, 2.0], [0.0, 0.0])
    assert in_processes(_values, 3) == [wanted] * 3


def _large(rank: int) -> list[tuple[int, int]]:
    values = [gather_objects(bytes([rank]) * (9 << 20), f"many bytes {number}") for number in range(2)][1]
    return [(value[0], len(value)) for value in values]


def test_values_larger_than_what_the_store_takes_at_once_come_whole() -> None:
    assert in_processes(_large, 2) == [[(0, 9 << 20), (1, 9 << 20)]] * 2


def _differ(rank: int) -> str:
    return agree(f"model {rank // 2}", "the model")


def test_what_differs_is_refused_in_all() -> None:
    for error in in_processes(_differ, 3):
        assert isinstance(error, InputError)
        assert "the model differs between processes: model 0 in process 0, model 1 in process 2" in str(error)


def _fail(rank: int, failing: int, error: Exception, moment: str) -> Any:
    with fail_together("knn"):
        if rank == failing:
            raise error
        if moment == "exchange":
            gather_objects(rank, "features")
        elif moment == "collective":
            sum_over_processes(torch.ones(2))
        elif moment == "loop":
            while True:
                look_for_failures()
                time.sleep(0.01)
        return "finished"


@pytest.mark.parametrize("moment", ["exchange", "collective", "loop", "end"])
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_of_one_process_ends_the_work_of_all(failing: int, moment: str) -> None:
    found = in_processes(_fail, 2, failing, InputError("no such image"), moment)
    assert str(found[failing]) == "no such image"
    assert isinstance(found[1 - failing], InputError)
    assert str(found[1 - failing]) == f"process {failing}: no such image"


def test_other_errors_keep_their_exit_codes() -> None:
    other = in_processes(_fail, 2, 1, MemoryError("8 GiB"), "exchange")[0]
    assert isinstance(other, ProcessError)
    assert str(other) == LACKS_MEMORY
    stopped = in_processes(_fail, 2, 1, StoppedError(15, 7), "exchange")[0]
    assert isinstance(stopped, StoppedError)
    assert stopped.number == 15


def _fail_and_go_on(rank: int) -> Any:
    told = []
    for task in ("knn", "linear", "davis"):
        try:
            with fail_together(task):
                if task == "knn" and rank == 1:
                    raise MemoryError
                if task == "davis" and rank == 0:
                    raise InputError("no frames")
                told.append(sum_over_processes(torch.ones(1)).item())
        except (ProcessError, MemoryError, InputError) as error:
            told.append(f"{task}: {type(error).__name__}")
            begin_anew()
    return [*told, gather_objects(rank, "end")]


def test_the_next_task_starts_clean() -> None:
    first, second = in_processes(_fail_and_go_on, 2)
    assert first == ["knn: ProcessError", 2.0, "davis: InputError", [0, 1]]
    assert second == ["knn: MemoryError", 2.0, "davis: InputError", [0, 1]]


def _again_and_again(rank: int) -> list[Any]:
    """Three groups of the same processes; in the second one the last fails, and comes late to the third."""
    told: list[Any] = []
    for number in range(3):
        try:
            with process_group(torch.device("cpu")):
                if (number, rank) == (1, 1):
                    raise MemoryError
                told.append(gather_objects((number, rank), "places"))
                told.append(sum_over_processes(torch.ones(1)).item())
        except (ProcessError, MemoryError) as error:
            told.append(type(error).__name__)
            time.sleep(2 * rank)
    return told


def test_processes_meet_as_often_as_a_script_evaluates() -> None:
    first, second = in_launched(_again_and_again, group_variables(2))
    assert first == [[(0, 0), (0, 1)], 2.0, "ProcessError", [(2, 0), (2, 1)], 2.0]
    assert second == [[(0, 0), (0, 1)], 2.0, "MemoryError", [(2, 0), (2, 1)], 2.0]


def _in_own_group(rank: int, dies: bool) -> Any:
    dist.init_process_group("gloo")
    gather_objects(rank, "ranks")
    if rank == 1 and dies:
        os._exit(9)
    found = gather_objects(rank, "ranks")
    dist.barrier()  # the first process holds the store, which the second one still reads
    return found


@pytest.mark.parametrize(
    ("dies", "ends"), [(False, "[0, 1] [0, 1]"), (True, "process 1 has ended without a word; see its output None")]
)
def test_a_group_that_the_caller_made_is_looked_after_too(dies: bool, ends: str) -> None:
    first, second = in_launched(_in_own_group, group_variables(2), dies)
    assert f"{first} {second}" == ends


def _out_of_step(rank: int) -> Any:
    with fail_together("davis" if rank == 0 else "davis2016"):
        return gather_objects(rank, "objects")


def test_values_of_different_tasks_never_meet() -> None:
    for error in in_processes(_out_of_step, 2):
        assert isinstance(error, RuntimeError)
        assert "internal error" in str(error)
        assert "davis2016" in str(error)


def _die(rank: int, dying: int, moment: str) -> Any:
    meeting.FAREWELL_SECONDS = 1.0
    if rank == dying:
        os._exit(9)
    return _fail(rank, -1, Exception(), moment)


@pytest.mark.parametrize("moment", ["exchange", "collective", "loop"])
@pytest.mark.parametrize("dying", [0, 1])
def test_a_process_that_dies_is_noticed(dying: int, moment: str) -> None:
    found = in_processes(_die, 2, dying, moment)
    assert found[dying] is None
    assert isinstance(found[1 - dying], ProcessError)
    assert "see its output" in str(found[1 - dying])


def test_all_who_are_left_name_the_process_that_ended_alone() -> None:
    """Though one of them noticed it first and told the others."""
    first, _, third = in_processes(_die, 3, 1, "exchange")
    assert str(first) == str(third) == "process 1 has ended without a word; see its output"


def _die_before_the_group(rank: int) -> None:
    """One that is gone between the last exchange and the group in which tensors travel."""
    processes.TOGETHER = timedelta(seconds=2)
    if rank == 0:
        begin_anew()
    assert processes._meeting is not None
    processes._meeting.begin_anew()
    os._exit(9)


def test_a_group_that_one_never_joins_is_given_up() -> None:
    assert "no group was made" in str(in_processes(_die_before_the_group, 2)[0])


@pytest.mark.parametrize("number", [0, 1])
def test_one_that_never_comes_is_not_waited_for(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RANK": number,
        "WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": free_port(),
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(meeting_place, "TOGETHER", timedelta(seconds=1))
    with pytest.raises(ProcessError, match="not all of 2 processes came"), process_group(torch.device("cpu")):
        pass


ELSEWHERE, FIRST, AWAY = (Sign(count, 1, "another machine") for count in (1, 0, heartbeat.AWAY))


@pytest.mark.parametrize(
    ("looked_after", "sign", "gone"),
    [
        *((True, sign, sign == ELSEWHERE) for sign in (None, FIRST, AWAY, ELSEWHERE)),
        *((False, sign, True) for sign in (None, FIRST, AWAY, ELSEWHERE)),
    ],
)
def test_silence_from_the_start_counts_unless_a_launcher_looks_after_all(
    looked_after: bool, sign: Sign | None, gone: bool
) -> None:
    patience = Patience(looked_after)
    assert not any(patience.lost(own, lambda: sign) for own in range(heartbeat.SILENT_BEATS + 1))
    assert patience.lost(heartbeat.SILENT_BEATS + 1, lambda: sign) == "gives no sign of life for 20 s" * gone


def test_a_process_of_this_machine_is_gone_when_it_has_ended_not_when_it_is_silent() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        patience, sign = Patience(looked_after=False), Sign(1, process.pid, running_system())
        assert not any(patience.lost(own, lambda: sign) for own in range(3 * heartbeat.SILENT_BEATS))
        process.kill()
        while not has_ended(process.pid):  # nobody has asked how it ended
            time.sleep(0.01)
        assert [patience.lost(own, lambda: sign) for own in (100, 100, 101)] == ["", "", "has ended without a word"]
    assert has_ended(process.pid)


@pytest.mark.parametrize("looked_after", [False, True])
def test_one_that_left_and_ended_may_be_followed_by_another_where_a_launcher_looks_after_all(
    looked_after: bool,
) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    patience, sign = Patience(looked_after), Sign(heartbeat.AWAY, process.pid, running_system())
    gone = [patience.lost(own, lambda: sign) for own in (1, 2)]
    assert gone == ["", "" if looked_after else "has ended without a word"]


def _keep_lock(rank: int) -> list[int]:
    """The second process computes for long without letting go of Python's lock, so that its thread gives no sign."""
    heartbeat.SILENT_BEATS = 2
    if rank == 1:
        ctypes.PyDLL(None).usleep(5_000_000)
    return gather_objects(rank, "ranks")


def test_a_process_that_keeps_the_lock_of_python_is_waited_for() -> None:
    assert in_processes(_keep_lock, 2) == [[0, 1]] * 2


def _held(rank: int, dies: bool) -> Any:
    """The first process waits as for a kernel: nothing in it looks for failures."""
    meeting.FAREWELL_SECONDS = 1.0
    freed = threading.Event()
    assert processes._meeting is not None
    processes._meeting.call_on_failure(freed.set)
    with fail_together("knn"):
        if rank == 1 and dies:
            os._exit(9)
        if rank == 1:
            raise InputError("no such image")
        assert freed.wait(30), "held for ever"


@pytest.mark.parametrize(("dies", "words"), [(False, "process 1: no such image"), (True, "see its output")])
def test_a_wait_that_does_not_look_for_failures_is_ended_by_a_thread(dies: bool, words: str) -> None:
    assert words in str(in_processes(_held, 2, dies)[0])


def test_srun_without_a_meeting_place_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(InputError, match="srun started 4 processes"), process_group(torch.device("cpu")):
        pass


def _places(rank: int, visible: int, local: int, uuids: list[str]) -> Any:
    class Properties:
        uuid = uuids[rank]

    processes.torch.cuda.device_count = lambda: visible  # type: ignore[method-assign]
    processes.torch.cuda.get_device_properties = lambda index: Properties  # type: ignore
    processes.torch.cuda.set_device = lambda device: None  # type: ignore[method-assign]
    os.environ["LOCAL_RANK"] = str(local or rank)
    assert processes._meeting is not None
    return str(processes._own_device(torch.device("cuda"), processes._meeting))


def test_each_process_has_a_device_of_its_own() -> None:
    assert in_processes(_places, 2, 2, 0, ["a", "b"]) == ["cuda:0", "cuda:1"]
    assert in_processes(_places, 2, 1, 0, ["a", "b"]) == ["cuda:0", "cuda:0"], "each sees one device, not the same"
    for error in in_processes(_places, 2, 1, 0, ["a", "a"]):
        assert "no CUDA device of its own" in str(error)
