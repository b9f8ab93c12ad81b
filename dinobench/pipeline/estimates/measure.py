"""A few images through a network, timed: the work of each kind, and reading."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from dinobench.data.dataset import ImageSet
from dinobench.data.transforms import evaluation_transform
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.costs import Cost, Loading, NetworkShape, Work
from dinobench.features.preparation import Apply, evaluation, stretched
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.pipeline.estimates.measured import Measured, WorkTime, loading_key
from dinobench.runtime.clock import peak_memory_bytes, resident_bytes
from dinobench.runtime.device import peak_device_memory, wait_for
from dinobench.runtime.plugins import plugin

SECONDS = 20.0
_ROWS, _WIDTH, _CLASSES, _PRODUCTS = 4096, 384, 64, 8  # of products as a classifier on features has them
_PATIENCE = 3.0  # seconds by the clock for each that it may work
_READ, _READ_SECONDS = 24, 1.5
_DRAWN = (500, 375)  # width and height of ImageNet's usual image


@dataclass(frozen=True)
class MeasuredTask:
    """What is to be measured for one task.

    Attributes:
        context: the model, the task's settings, where it computes.
        evaluator: the task's.
        cost: of the task.
        images: to time reading on; None where the data are not here: drawn ones are read then.
        data: name of these images among measurements; "" for drawn ones.
    """

    context: EvaluationContext[Any]
    evaluator: str
    cost: Cost
    images: ImageSet | None = None
    data: str = ""


def shape_of(model: LoadedBackbone) -> NetworkShape:
    """What a task's cost depends on in a loaded network."""
    backbone = model.backbone
    return NetworkShape(backbone.dim, backbone.depth, backbone.patch_size, model.preprocessing.size, model.parameters)


def measure(tasks: Sequence[MeasuredTask], known: Measured, seconds: float = SECONDS) -> None:
    """Add to `known` what is not in it yet; each kind of work gets an equal part of the seconds.

    One image is worked on in any case, however long it takes; small work comes first, so that the memory that is seen
    is its own.
    """
    if not known.rate:
        known.rate, known.cpu_rate = _product_rates()
    works = {each.key: (task, each) for task in tasks for each in _works(task.cost) if each.key not in known.works}
    readings = {
        loading_key(task.data, stage.loading): (task, stage.loading)
        for task in tasks
        for stage in task.cost.stages
        if stage.loading is not None
    }
    for key, (task, loading) in readings.items():
        if key not in known.loadings:
            known.loadings[key] = _time_reading(task, loading, min(_READ_SECONDS, seconds / 5))
    waiting = sorted(works.values(), key=lambda pair: (pair[1].kind != "forward", _pixels(pair[1])))
    for task, each in waiting:
        share = seconds / len(waiting)
        known.works[each.key] = _time_work(_work_of(task, each), each.batch, share, task.context.device)


def _works(cost: Cost) -> Iterable[Work]:
    return (stage.work for stage in cost.stages if stage.images)


def _pixels(work: Work) -> int:
    return work.height * work.width * work.batch


def _product_rates() -> tuple[float, float]:
    """Operations a second and a CPU second."""
    rows, weights = torch.ones(_ROWS, _WIDTH), torch.ones(_WIDTH, _CLASSES)
    (rows @ weights).softmax(1)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(_PRODUCTS):
        rows.T @ (rows @ weights).softmax(1)
    done = _PRODUCTS * 4.0 * _ROWS * _WIDTH * _CLASSES
    return done / (time.perf_counter() - wall), done / max(time.process_time() - cpu, 1e-9)


def _work_of(task: MeasuredTask, work: Work) -> Callable[[int], None]:
    if work.kind != "forward":
        run: Callable[[int], None] = plugin("evaluators", work.kind, "measure").measured_work(task.context, work)
        return run
    network = task.context.network()
    backbone, channels = network.backbone, len(network.mean)
    layers = 4 if work.options["tokens"] == "layers" else 1
    cls = work.options["tokens"] == "cls"

    def forward(images: torch.Tensor) -> None:
        if cls:
            backbone.class_token(images)
        else:
            backbone.intermediate_layers(images, min(layers, backbone.depth))

    passes = network.passes(forward)
    drawn = torch.randint(0, 256, (work.batch, work.height, work.width, channels), dtype=torch.uint8)
    return lambda images: passes(network.input(drawn[:images]))


def _time_work(run: Callable[[int], None], batch: int, seconds: float, device: torch.device) -> WorkTime:
    """Of a batch as large as the seconds allow, after a first image, which takes longer than others.

    On a CPU the seconds are those that it works: other programs on the same machine make it wait, not learn less. It
    waits for them `_PATIENCE` times as long at most.
    """
    threads = torch.get_num_threads()
    spent = waited = 0.0

    def timed(images: int) -> tuple[float, float, float]:
        """Seconds by the clock, of all cores, and of those that are allowed."""
        nonlocal spent, waited
        wall, cpu = time.perf_counter(), time.process_time()
        run(images)
        wait_for(device)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        own = cpu / threads if device.type == "cpu" else wall
        spent, waited = spent + own, waited + wall
        return wall, cpu, own

    def left() -> float:
        """Of the seconds that are allowed, those that remain, at the pace so far."""
        return min(seconds - spent, (_PATIENCE * seconds - waited) * spent / max(waited, 1e-9))

    first = timed(1)
    if left() < seconds / 2:
        return WorkTime(first[0], first[1], resident_bytes() or peak_memory_bytes())
    one, small = timed(1), resident_bytes() or peak_memory_bytes()
    most = max(1, min(batch, int(left() / max(one[2], 1e-9) / 2)))
    found = [timed(most)]
    while found[-1][2] < left() and len(found) < 5:
        found.append(timed(most))
    large = resident_bytes() or peak_memory_bytes()
    each = max(0, large - small) / max(1, most - 1)
    memory = peak_device_memory(device) or int(large + each * (batch - most))
    wall, cpu, _ = np.median(np.array(found), 0) / most
    return WorkTime(float(wall), float(cpu), memory)


def _time_reading(task: MeasuredTask, loading: Loading, seconds: float) -> float:
    """CPU seconds of one image."""
    prepare = _preparation(task, loading)
    images = task.images
    read = _drawn_image if images is None or not len(images) else images.read
    count = _READ if images is None or not len(images) else len(images)
    chosen = random.Random(0).sample(range(count), min(count, _READ))
    np.asarray(prepare(chosen[0], read(chosen[0])))
    spent: list[float] = []
    began = time.perf_counter()
    for index in chosen:
        cpu = time.thread_time()
        np.asarray(prepare(index, read(index)))
        spent.append(time.thread_time() - cpu)
        if time.perf_counter() - began > seconds:
            break
    return float(np.mean(spent))


def _preparation(task: MeasuredTask, loading: Loading) -> Apply:
    if loading.kind == "evaluation":
        own = task.context.model.preprocessing.at(loading.height)
        return evaluation(evaluation_transform(own.size, own.resize, own.interpolation, own.mean, own.std)).apply
    if loading.kind == "random crop":
        from dinobench.evaluators.linear.epochs import training_crop

        return lambda index, image: training_crop(image, loading.height, random.Random(index))
    if loading.kind == "thumbnail":
        from dinobench.evaluators.common.ranking.descriptors import thumbnail

        return thumbnail(loading.height).apply
    if loading.kind == "resize":
        return stretched(loading.height, loading.width).apply
    own_way: Apply = plugin("evaluators", loading.kind, "measure").measured_loading(task.context, loading)
    return own_way


def _drawn_image(index: int) -> Image.Image:
    """A JPEG with as much in it as a photograph, decoded."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (_DRAWN[1] // 8, _DRAWN[0] // 8, 3), dtype=np.uint8))
    stream = io.BytesIO()
    coarse.resize(_DRAWN, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return Image.open(stream).convert("RGB")
