"""From what a task costs and what this machine was measured to need for it, to time, memory and disk."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dinobench.cards import ModelCard
from dinobench.evaluators.common.costs import Cost, CostOf, NetworkShape, Stage
from dinobench.pipeline.estimates.data_facts import JobData, look_at
from dinobench.pipeline.estimates.measured import Measured, loading_key
from dinobench.pipeline.model import ModelRequest
from dinobench.pipeline.plan import Job, job_of_card
from dinobench.runtime.errors import InputError
from dinobench.runtime.plugins import plugin

_MOST_THREADS = 16  # that decode images, unless the user asks for more


@dataclass(frozen=True)
class StageTime:
    """Part of a job: seconds, those of all cores, images through the network and bytes that go into the cache."""

    seconds: float
    cpu: float
    images: int
    stored: int


@dataclass(frozen=True)
class Estimate:
    """What a job is expected to take.

    Attributes:
        stages: by name; two jobs of one model that have the same one share its features.
        seconds, cpu: besides the stages, without loading the model.
        setup, setup_cpu: loading the model.
        memory: bytes at most.
        parameters: of the network.
        published: whether the images were counted by the published benchmark, the data not being here.
        because: why there is no estimate; empty where there is one.
    """

    stages: Mapping[str, StageTime] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: float = 0.0
    setup: float = 0.0
    setup_cpu: float = 0.0
    memory: int = 0
    parameters: int = 0
    published: bool = False
    because: str = ""

    @property
    def total(self) -> float:
        """Seconds of the job by itself, the model's loading included."""
        return self.setup + self.seconds + sum(stage.seconds for stage in self.stages.values())

    @property
    def total_cpu(self) -> float:
        """The same in seconds of all cores."""
        return self.setup_cpu + self.cpu + sum(stage.cpu for stage in self.stages.values())

    @property
    def passes(self) -> int:
        """Images through the network."""
        return sum(stage.images for stage in self.stages.values())

    @property
    def stored(self) -> int:
        """Bytes of features in the cache."""
        return sum(stage.stored for stage in self.stages.values())


def total_of(estimates: Iterable[Estimate]) -> Estimate:
    """Several jobs of one model, one after the other: what they share counts once."""
    known = [each for each in estimates if not each.because]
    if not known:
        return Estimate(because="nothing could be estimated")
    stages: dict[str, StageTime] = {}
    for number, each in enumerate(known):
        stages |= {name if stage.stored else f"{number} {name}": stage for name, stage in each.stages.items()}
    return Estimate(
        stages,
        sum(each.seconds for each in known),
        sum(each.cpu for each in known),
        max(each.setup for each in known),
        max(each.setup_cpu for each in known),
        max(each.memory for each in known),
        known[0].parameters,
        any(each.published for each in known),
    )


def cost_of(job: Job, network: NetworkShape, data: JobData) -> Cost:
    """What a job costs on any machine.

    Raises:
        InputError: an evaluator of the user's own that does not say it.
    """
    return _cost_function(job)(job.settings, network, data.facts, job.forward_batch)


def _cost_function(job: Job) -> CostOf:
    module = plugin("evaluators", job.card.evaluator, "cost")
    if not hasattr(module, "cost"):
        raise InputError(f"evaluator {job.card.evaluator} does not say what it costs; give it a function `cost`")
    found: CostOf = module.cost
    return found


def estimate_of(job: Job, cost: Cost, data: JobData, measured: Measured) -> Estimate:
    """What a job takes on the measured machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = job.run.workers or min(_MOST_THREADS, cores)
    active = [stage for stage in cost.stages if stage.images]
    stages = {f"{data.spec} {stage.key}": _stage_time(stage, data.spec, measured, threads, cores) for stage in active}
    peaks = [measured.works[stage.work.key].memory + _waiting_bytes(stage, threads) for stage in active]
    return Estimate(
        stages,
        cost.operations / measured.rate,
        cost.operations / measured.cpu_rate,
        measured.setup,
        measured.setup_cpu,
        max([measured.memory, *peaks]) + cost.held,
        0 if measured.network is None else measured.network.parameters,
        not data.facts.here,
    )


def _stage_time(stage: Stage, data: str, measured: Measured, threads: int, cores: int) -> StageTime:
    """Threads read ahead of the network: it waits for them where they are slower, or for cores where both want them."""
    work = measured.works[stage.work.key]
    reading = measured.loadings[loading_key(data, stage.loading)] if stage.loading else 0.0
    each = max(work.seconds, reading / threads, (work.cpu + reading) / cores)
    passes = stage.images if stage.forward else 0
    return StageTime(each * stage.images, (work.cpu + reading) * stage.images, passes, stage.stored)


def _waiting_bytes(stage: Stage, threads: int) -> int:
    """Pixels of the batches that threads hold ready."""
    work = stage.work
    return (threads + 2) * work.batch * work.height * work.width * 3 if stage.loading and work.batch > 1 else 0


def is_covered(cost: Cost, data: JobData, measured: Measured) -> bool:
    """Whether everything that a cost needs was measured."""
    active = [stage for stage in cost.stages if stage.images]
    readings = {loading_key(data.spec, stage.loading) for stage in active if stage.loading}
    return readings <= measured.loadings.keys() and {stage.work.key for stage in active} <= measured.works.keys()


def estimate_jobs(
    request: ModelRequest, jobs: Sequence[Job], cards: Mapping[str, ModelCard], quiet: bool = False
) -> list[Estimate]:
    """What each job of one model is expected to take here; a job of which nothing can be said has a reason.

    What was not measured on this machine yet is measured now, in a process of its own, in about 20 seconds, and kept.

    Args:
        request: the model; where its weights are not here, a network like it is drawn.
        jobs: of a plan.
        cards: of models.
        quiet: do not say on stderr that the machine is measured.
    """
    from dinobench.pipeline.estimates.probe import measured_for

    ready: list[tuple[Job, JobData] | str] = []
    for job in jobs:
        try:
            _cost_function(job)
            known = job_of_card(job, request.spec, cards.get(request.spec))
            ready.append((known, look_at(known)))
        except InputError as error:
            ready.append(str(error))
    able = [each for each in ready if not isinstance(each, str)]
    measured = measured_for(request, able, cards, quiet) if able else "nothing to measure"
    return [_estimate_or_reason(each, measured) for each in ready]


def _estimate_or_reason(ready: tuple[Job, JobData] | str, measured: Measured | str) -> Estimate:
    if isinstance(ready, str) or isinstance(measured, str):
        return Estimate(because=ready if isinstance(ready, str) else str(measured))
    job, data = ready
    if measured.network is None:
        return Estimate(because="the network was not measured")
    try:
        cost = cost_of(job, measured.network, data)
    except InputError as error:
        return Estimate(because=str(error))
    if not is_covered(cost, data, measured):
        return Estimate(because="it could not be measured: no image of it was worked on")
    return estimate_of(job, cost, data, measured)


def magnitude(seconds: float) -> str:
    """A time as exact as an estimate is: seconds, minutes, hours or days."""
    for name, unit in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.2g} {name}" if seconds / unit < 100 else f"{round(seconds / unit)} {name}"
    return f"{math.ceil(seconds)} s"
