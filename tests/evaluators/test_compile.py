"""`compile=true`, where a frozen network can be compiled and where it cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dinobench.data.registry import get_twin
from dinobench.evaluators.base import EvaluationContext, find_evaluator
from tests.evaluators.toys import context, picture, write_copydays, write_revisitop
from tests.evaluators.videos import write_davis

MODEL = "random:vit_mini/4"


def twin(name: str) -> Callable[[Path], Path]:
    """Writes the drawn twin of a data set."""

    def write(root: Path) -> Path:
        get_twin(name).write(root / name)
        return root / name

    return write


def write_two(root: Path) -> Path:
    """Two images."""
    (root / "train").mkdir(parents=True)
    for seed in range(2):
        picture(seed).save(root / "train" / f"{seed}.png")
    return root


TASKS: dict[str, tuple[Callable[[Path], Path], str, str, dict[str, Any]]] = {
    "roxford": (write_revisitop, "dino", "retrieval", {"image_size": 32}),
    "copydays": (write_copydays, "paper", "copy_detection", {"image_size": 32}),
    "davis": (write_davis, "quick", "video_segmentation", {"image_size": 64}),
    "seg-camvid": (
        twin("camvid"),
        "quick",
        "segmentation",
        {"image_size": 32, "max_iterations": 2},
    ),
    "discovery-voc07": (twin("voc07"), "lost", "object_discovery", {}),
    "homography": (write_two, "quick", "homography_matching", {"image_size": 32}),
    "throughput": (
        lambda root: root,
        "paper",
        "throughput",
        {"batch_size": 2, "image_size": 32, "repeats": 1, "warm_up": 0},
    ),
}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Callable[..., Any]]:
    """What was given to torch.compile, which compiles nothing here: that takes half a minute."""
    given: list[Callable[..., Any]] = []

    def note(forward: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        given.append(forward)
        return forward

    monkeypatch.setattr(torch, "compile", note)
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    return given


def _context(task: str, root: Path, *, compile_it: bool) -> EvaluationContext:
    write, protocol, _, settings = TASKS[task]
    plain = context(task, protocol, write(root), root / "output", model=MODEL, **settings)
    return dataclasses.replace(plain, compiled=compile_it)


@pytest.mark.parametrize("task", TASKS)
def test_the_frozen_network_is_compiled_once_if_asked(task: str, tmp_path: Path, compiled: list[Any]) -> None:
    evaluate = find_evaluator(TASKS[task][2])
    evaluate(_context(task, tmp_path / "plain", compile_it=False))
    assert not compiled
    evaluate(_context(task, tmp_path / "compiled", compile_it=True))
    assert len(compiled) == 1


def test_a_task_that_cannot_compile_says_so(tmp_path: Path, compiled: list[Any]) -> None:
    get_twin("voc12").write(tmp_path / "voc12")
    plain = context("voc-attention", "paper", tmp_path / "voc12", tmp_path / "output", model=MODEL, image_size=48)
    scores = find_evaluator("attention_segmentation")(dataclasses.replace(plain, compiled=True))
    assert not compiled
    assert "compile=true changes nothing here: every image has a shape of its own" in scores.warnings
