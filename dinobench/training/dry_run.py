"""What a run would load, draw, hold in memory and take in time; nothing is written."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinobench.runtime.device import device_name
from dinobench.training.batches import Normalize, worker_count
from dinobench.training.build import RecipeSchedules, build_learner
from dinobench.training.recipe import Recipe
from dinobench.training.source import TrainingImages, open_source
from dinobench.training.start import LoadStart, open_start
from dinobench.training.step import Learner

_FEW = 8  # images of the first steps
_QUICK_SECONDS = 1.0  # a step of a few images that is shorter is measured again, with a whole batch
_TRIALS, _BUDGET = 5, 5.0  # so often, or until so many seconds are spent
_GIGABYTE = 1e9


@dataclasses.dataclass(frozen=True)
class StepCost:
    """What one image costs in a step.

    Attributes:
        images: of the step that was measured.
        seconds: of the networks, on the device.
        drawing: seconds of its views, by one process.
        activations: bytes that wait for the backward pass.
    """

    images: int
    seconds: float
    drawing: float
    activations: float


def describe_run(recipe: Recipe, spec: str, folder: Path, device: torch.device, load_start: LoadStart) -> list[str]:
    """One line for each thing; a step on a few images is taken to measure, and forgotten.

    Raises:
        InputError: as `train`.
    """
    start = open_start(recipe, folder, load_start)
    chosen = recipe if start is None else start.recipe
    source = open_source(chosen, spec, device)
    learner = build_learner(chosen, device, start)
    cost = measure_step(learner, source, chosen, device)
    return [
        *(["all weights: drawn"] if start is None else start.notes),
        f"{source.data['images']} images of {spec}: {chosen.epochs} epochs of {source.plan.steps_per_epoch} steps",
        f"probe: {'none' if source.probe is None else source.probe.measure}",
        _memory_line(learner, cost, source.plan.micro_batch),
        _time_line(cost, source, worker_count(chosen.workers, device), f"{device_name(device)}, {cost.images} images"),
    ]


def measure_step(learner: Learner, source: TrainingImages, recipe: Recipe, device: torch.device) -> StepCost:
    """The cost of an image in steps on the first images, of a few or of a whole batch where that is quick.

    Changes the learner. The first step is not counted: it fills caches.
    """
    normalize, schedules = Normalize(recipe.mean, recipe.std, device), RecipeSchedules(recipe, 1)
    settings = dataclasses.replace(schedules.at(recipe.epochs - 1), head_alone=False, frozen=False)

    def step(views: list[list[Tensor]]) -> float:
        began = time.perf_counter()
        learner.step(views, settings).loss.item()  # which waits for the device
        return time.perf_counter() - began

    def ready(images: int) -> list[list[Tensor]]:
        return [[normalize(group) for group in _drawn(source, images)[0]]]

    images = min(_FEW, source.plan.micro_batch)
    views = ready(images)
    step(views)
    with _counted_activations(learner) as held:
        step(views)
    activations, trial = held.most / images, _least(lambda: step(views))
    if trial < _QUICK_SECONDS:
        images = source.plan.micro_batch
        whole = ready(images)
        trial = _least(lambda: step(whole))
    drawing = _least(lambda: _drawn(source, images)[1])
    return StepCost(images, trial / images, drawing / images, activations)


def _least(timed: Callable[[], float]) -> float:
    """The shortest of a few times, since other work on the machine only ever adds; of one, where it is long."""
    times = [timed()]
    while len(times) < _TRIALS and sum(times) < _BUDGET:
        times.append(timed())
    return min(times)


def _drawn(source: TrainingImages, images: int) -> tuple[list[Tensor], float]:
    """Views of the first images, and the seconds that drawing them takes."""
    request = next(source.requests(0))
    few = dataclasses.replace(request, indices=request.indices[:images], encoded=request.encoded[:images])
    began = time.perf_counter()
    return source.views[few], time.perf_counter() - began


class _Held:
    """Bytes of the tensors that wait for a backward pass: now, and at most."""

    def __init__(self, known: set[int]) -> None:
        self.known, self.now, self.most = known, 0, 0

    def pack(self, tensor: Tensor) -> _Waiting:
        return _Waiting(tensor, 0 if tensor.untyped_storage().data_ptr() in self.known else tensor.nbytes, self)


class _Waiting:
    """One of them; it is let go of when the backward pass has used it."""

    def __init__(self, tensor: Tensor, size: int, held: _Held) -> None:
        self.tensor, self._size, self._held = tensor, size, held
        held.now += size
        held.most = max(held.most, held.now)

    def __del__(self) -> None:
        self._held.now -= self._size


@contextmanager
def _counted_activations(learner: Learner) -> Iterator[_Held]:
    """Within, what the student keeps for its backward passes is counted, its weights left out."""
    held = _Held({each.untyped_storage().data_ptr() for each in learner.student.parameters()})

    def used(waiting: Any) -> Tensor:
        tensor: Tensor = waiting.tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(held.pack, used):
        yield held


def _memory_line(learner: Learner, cost: StepCost, micro_batch: int) -> str:
    student, teacher = (sum(each.numel() for each in one.parameters()) for one in (learner.student, learner.teacher))
    states = (value for state in learner.optimizer.state.values() for value in state.values())
    moments = sum(value.numel() for value in states if torch.is_tensor(value))
    anchor = sum(each.numel() for each in learner.anchor.backbone.parameters()) if learner.anchor else 0
    fixed = 4 * (2 * student + teacher + anchor + moments) / _GIGABYTE
    activations = cost.activations * micro_batch / _GIGABYTE
    return (
        f"memory: {fixed:.2f} GB of weights, gradients and the optimizer's state, about {activations:.2f} GB of "
        f"activations for {micro_batch} images at once"
    )


def _time_line(cost: StepCost, source: TrainingImages, workers: int, measured: str) -> str:
    plan = source.plan
    image = max(cost.seconds, cost.drawing / workers) if workers else cost.seconds + cost.drawing
    step = image * plan.batch_size / plan.processes
    shared = f" in each of {plan.processes} processes" if plan.processes > 1 else ""
    return (
        f"time: about {step:.2g} s a step, {step * plan.steps / 3600:.2g} h in all without the probe "
        f"(measured: {measured}{shared})"
    )
