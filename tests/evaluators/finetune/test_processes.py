"""Two processes tune one network: they save together, score one network and go on from one checkpoint."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from dinobench.evaluators.finetune import loop
from dinobench.evaluators.finetune.shared import has_batch_norm
from dinobench.models.loading.spec import load_backbone
from dinobench.models.networks.backbone import Backbone
from dinobench.models.networks.vit import VisionTransformer, ViTShape
from dinobench.runtime.errors import InputError
from dinobench.runtime.signals import StoppedError
from tests.evaluators.finetune.toys import SIDE, recipe, run, train, weights
from tests.group import in_processes


def _class_norm() -> Backbone:
    """A transformer whose last norm takes no part in the class token's scores."""
    return VisionTransformer(ViTShape(4, 24, 2, 3, image_size=SIDE, class_norm=True))


def _convnet() -> Backbone:
    return load_backbone("random:resnet18").backbone


def _tuned(rank: int, folder: Path, build: Any, changes: dict[str, Any]) -> Any:
    done = run(recipe(**changes), build=build)
    done.run(folder / "checkpoint.pth", {})
    return weights(done), done.progress.history, done.progress.predictions


def _with_clocks_that_differ(rank: int, folder: Path) -> Any:
    loop.SAVE_SECONDS = 1000.0
    began, steps = time.monotonic(), iter(range(10**6))
    loop.time = type("Clock", (), {"monotonic": lambda: began + (250 + 40 * rank) * next(steps)})  # type: ignore
    return _tuned(rank, folder, run.__kwdefaults__["build"], {})[1]


def test_processes_whose_clocks_differ_save_together(tmp_path: Path) -> None:
    first, second = in_processes(_with_clocks_that_differ, 2, tmp_path)
    assert first == second
    assert len(first) == 3


@pytest.mark.parametrize("build", [run.__kwdefaults__["build"], _class_norm], ids=["plain", "class_norm"])
def test_two_processes_come_to_the_weights_of_one(build: Any, tmp_path: Path) -> None:
    (first, history, predictions), (second, *_) = in_processes(_tuned, 2, tmp_path / "two", build, {})
    alone = train(recipe(), tmp_path, build=build)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, weights(alone), rtol=1e-3, atol=1e-5)
    assert [entry["test"] for entry in history] == [entry["test"] for entry in alone.progress.history]
    assert torch.equal(predictions, alone.progress.predictions)


def _statistics(rank: int, folder: Path) -> Any:
    done = run(recipe(epochs=1, layer_decay=1.0, ema_decay=0.5), build=_convnet)
    assert has_batch_norm(done.model)
    done.run(folder / "checkpoint.pth", {})
    return [buffer.double().sum().item() for buffer in done.scored_model().buffers()], done.progress.predictions


def test_all_processes_score_one_networks_statistics(tmp_path: Path) -> None:
    (first, ranked), (second, others) = in_processes(_statistics, 2, tmp_path)
    assert first == second
    assert torch.equal(ranked, others)


def _stopped(rank: int, root: Path, stop: bool) -> Any:
    """A run whose folder is local to the process; a signal reaches the second one alone."""
    tuned = run(recipe())
    accumulate = tuned._accumulate_gradients

    def note(batch: loop.Batch) -> None:
        accumulate(batch)
        if stop and rank == 1 and batch.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    tuned._accumulate_gradients = note  # type: ignore[method-assign]
    tuned.run(root / str(rank) / "checkpoint.pth", {})
    return weights(tuned)


def test_a_signal_to_one_stops_both_and_the_first_ones_checkpoint_counts(tmp_path: Path) -> None:
    for error in in_processes(_stopped, 2, tmp_path, True):
        assert isinstance(error, StoppedError)
        assert error.step == 4
    assert not (tmp_path / "1" / "checkpoint.pth").exists()
    first, second = in_processes(_stopped, 2, tmp_path, False)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    whole, _ = in_processes(_stopped, 2, tmp_path, False)
    assert torch.equal(first, second)
    assert torch.equal(first, whole)


def _unreadable(rank: int, folder: Path) -> Any:
    tuned = run(recipe())
    if rank == 1:
        tuned._accumulate_gradients = _broken  # type: ignore[method-assign]
    tuned.run(folder / "checkpoint.pth", {})


def _broken(batch: loop.Batch) -> None:
    raise InputError("cat.jpg cannot be read")


def test_an_image_that_one_process_cannot_read_ends_both(tmp_path: Path) -> None:
    first, second = in_processes(_unreadable, 2, tmp_path)
    assert str(second) == "cat.jpg cannot be read"
    assert str(first) == "process 1: cat.jpg cannot be read"
