"""Two processes evaluate: what differs between them is refused, what fails in one fails in both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dinobench.cards import load_tasks
from dinobench.data import decode
from dinobench.evaluators import base
from dinobench.pipeline import run
from dinobench.pipeline.run import evaluate
from dinobench.results.records import RecordStore
from dinobench.runtime.errors import InputError
from tests.group import LACKS_MEMORY, in_processes
from tests.tiny_tasks import TINY, write_data

SMALL: dict[str, Any] = {"model": "random:vit_mini/4", "data": "mini"}
GAVE_OUT = {"memory": MemoryError("8 GiB"), "device": torch.AcceleratorError("CUDA error: unspecified launch failure")}


def _evaluated(rank: int, output: Path, tasks: str, fault: str) -> Any:
    request = dict(SMALL)
    if fault == "model" and rank == 1:
        resolve = run.resolve_model
        run.resolve_model = lambda asked: resolve(  # type: ignore[assignment]
            run.ModelRequest("random:vit_mini/8", {}, "", "", None)
        )
    if fault in GAVE_OUT and rank == 1:
        attempt = run._score_job

        def fail_once(plan: Any, job: Any, *rest: Any) -> Any:
            if job.card.name == "knn":
                raise GAVE_OUT[fault]
            return attempt(plan, job, *rest)

        run._score_job = fail_once
    if fault == "data" and rank == 1:
        opened = base.open_dataset
        base.open_dataset = lambda *where: opened(*where).subset(range(20))
    if fault == "disk" and rank == 0:
        RecordStore.add = _full  # type: ignore[method-assign]
    if fault == "task" and rank == 1:
        tasks = "no-such-task"
    evaluate(tasks, **request, output=output)
    return "done"


def _with_bad_image(rank: int, output: Path) -> str:
    """The second process cannot decode the first of its images."""
    if rank == 1:

        def truncated(_: Any) -> Any:
            raise OSError("image file is truncated")

        decode.open_image = truncated
    data, settings = TINY["homography"]
    evaluate("homography", SMALL["model"], data, output=output, settings=settings)
    return "done"


def test_an_image_that_one_process_cannot_decode_ends_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path, SMALL["model"])
    others, own = in_processes(_with_bad_image, 2, tmp_path / "records")
    assert isinstance(own, InputError)
    assert str(own).startswith("cannot decode image photos/train/")
    assert isinstance(others, InputError)
    assert str(others) == f"process 1: {own}"
    assert not list((tmp_path / "records").glob("*.json"))


def _full(store: RecordStore, record: Any) -> Path:
    raise OSError(28, "No space left on device", "results")


def _figures(output: Path) -> dict[str, Any]:
    records = [json.loads(path.read_text()) for path in output.glob("*.json")]
    return {record["task"]: (record["metrics"], record["error"], record["processes"]) for record in records}


def test_every_evaluator_is_tried_with_faults_by_several_processes() -> None:
    """By `python -m tests.processes`."""
    cards = load_tasks()
    tried = {cards[name.partition("@")[0]].evaluator for name in TINY}
    assert tried == {card.evaluator for card in cards.values()}


def test_two_processes_write_the_record_of_one(tmp_path: Path) -> None:
    assert in_processes(_evaluated, 2, tmp_path / "two", "knn-flowers", "") == ["done", "done"]
    evaluate("knn-flowers", **SMALL, output=tmp_path / "one")
    (alone, *_), (shared, *rest) = (_figures(tmp_path / name)["knn-flowers"] for name in ("one", "two"))
    assert shared == alone
    assert rest == ["", 2]


def _scored(rank: int, task: str, output: Path) -> None:
    data, settings = TINY[task]
    evaluate(task, SMALL["model"], data, output=output, settings=settings)


@pytest.mark.parametrize("task", ["navi", "met", "amstertime"])
def test_figures_are_the_same_by_one_and_two_processes(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path, SMALL["model"])
    found = {}
    for count in (1, 2):
        monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / f"cache{count}"))
        in_processes(_scored, count, task, tmp_path / f"records{count}")
        ((figures, error, processes),) = _figures(tmp_path / f"records{count}").values()
        assert (error, processes) == ("", count)
        found[count] = figures
    assert found[1]
    assert found[1] == found[2]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("model", "the model random:vit_mini/4 differs between processes"),
        ("data", "differs between processes"),
        ("disk", "disk is full"),
        ("task", "no-such-task"),
    ],
)
def test_a_fault_of_one_process_is_told_by_both(fault: str, words: str, tmp_path: Path) -> None:
    for error in in_processes(_evaluated, 2, tmp_path, "knn", fault):
        assert isinstance(error, InputError | OSError)
        assert words in str(error) or "No space left" in str(error)
    assert not list(tmp_path.glob("*.json"))


def test_a_task_fails_in_both_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    assert in_processes(_evaluated, 2, tmp_path, "knn,throughput", "memory") == ["done", "done"]
    figures = _figures(tmp_path)
    assert figures["knn"][1] == f"ProcessError: {LACKS_MEMORY}"
    assert not figures["throughput"][1]
    assert figures["throughput"][0]


def test_a_device_that_gives_out_in_one_process_ends_all_tasks_in_both(tmp_path: Path) -> None:
    others, own = in_processes(_evaluated, 2, tmp_path, "knn,throughput", "device")
    assert isinstance(own, torch.AcceleratorError)
    line = "process 1 failed: the device failed (CUDA error: unspecified launch failure); run again, on another device"
    assert str(others).startswith(line)
    ((_, error, _),) = _figures(tmp_path).values()
    assert error == f"ProcessError: {others}"


def test_a_checkpoint_goes_when_the_record_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = {"epochs": 1, "warmup_epochs": 0, "batch_size": 48}
    request = {**SMALL, "protocol": "quick", "settings": short, "output": tmp_path}
    with monkeypatch.context() as patched:
        patched.setattr(RecordStore, "add", _full)
        with pytest.raises(OSError, match="No space"):
            evaluate("finetune-flowers", **request)
    assert list(tmp_path.rglob("checkpoint.pth"))
    evaluate("finetune-flowers", **request)
    assert not list(tmp_path.rglob("checkpoint.pth"))
