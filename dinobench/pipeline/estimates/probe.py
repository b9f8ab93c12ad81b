"""The measurement of a network on this machine, in a process of its own, whose memory tells what the network needs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from pickle import PicklingError
from typing import TYPE_CHECKING, Any

from dinobench.cards import ModelCard
from dinobench.models.loading.settings import ModelSettings
from dinobench.pipeline.estimates.data_facts import JobData
from dinobench.pipeline.estimates.estimate import cost_of, is_covered
from dinobench.pipeline.estimates.measured import Measured, kept_in, load_measured, save_measured
from dinobench.pipeline.model import ModelRequest, refuse_missing_model
from dinobench.pipeline.plan import Job
from dinobench.runtime.console import notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import fields_of

if TYPE_CHECKING:
    from dinobench.evaluators.base import EvaluationContext
    from dinobench.models.loading.loaded import LoadedBackbone

SECONDS = 15.0  # for the work, so that with the start of the process about 20 pass


def measured_for(
    request: ModelRequest, jobs: Sequence[tuple[Job, JobData]], cards: Mapping[str, ModelCard], quiet: bool = False
) -> Measured | str:
    """What the jobs need of a network, as measured on this machine now or before; or why it cannot be measured."""
    used, about = stand_in(request, cards)
    run = jobs[0][0].run
    path = kept_in({**about, "device": run.device, "precision": run.precision, "compile": run.compile})
    known = load_measured(path)
    missing = [(job, data) for job, data in jobs if not _is_known(job, data, known)]
    if not missing:
        return known
    if not quiet:
        notice(
            f"measuring {about['network']} on this machine for about {SECONDS + 5:.0f} s, up to three times that where "
            "other programs use it (kept for the next time)"
        )
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(probe, used, missing, known, time.time()).result()
    except InputError as error:
        return str(error)
    except (PicklingError, AttributeError):
        return "its evaluator or its data are of a file that the measuring process does not have"
    except BrokenProcessPool:
        return "the process that measured it was killed; is the memory of this machine too small?"
    save_measured(path, found)
    return found


def _is_known(job: Job, data: JobData, known: Measured) -> bool:
    if known.network is None:
        return False
    try:
        return is_covered(cost_of(job, known.network, data), data, known)
    except InputError:
        return True  # nothing to measure; the estimate says why


def stand_in(request: ModelRequest, cards: Mapping[str, ModelCard]) -> tuple[ModelRequest, dict[str, Any]]:
    """What is loaded to measure a model: itself, or a drawn network where its weights are not here; and its name."""
    from dinobench.models.loading.model_paths import checkpoint_path, is_path

    card = cards.get(request.spec)
    if card is not None:
        about = {"network": card.architecture, "settings": {**card.settings, **request.settings}}
        try:
            refuse_missing_model(request, cards)
        except InputError:
            acting = {name for name, each in fields_of(ModelSettings).items() if "random" in each.about.acts_on}
            settings = {name: value for name, value in request.settings.items() if name in acting}
            return ModelRequest(f"random:{card.architecture}", settings), about
        return request, about
    other: dict[str, Any] = {"network": request.spec, "settings": dict(request.settings)}
    if is_path(request.spec):
        try:
            path = checkpoint_path(request.spec, str(request.settings.get("which", "last")))
            found = path.stat()
            other["file"] = [str(path.resolve()), found.st_size, found.st_mtime_ns]
        except (InputError, OSError):
            pass  # which loading it says
    return request, other


def probe(request: ModelRequest, jobs: Sequence[tuple[Job, JobData]], known: Measured, started: float) -> Measured:
    """Load the model, measure, and tell; runs in a process of its own.

    Raises:
        InputError: the model cannot be loaded.
    """
    from dinobench.evaluators.base import find_evaluator
    from dinobench.pipeline.model import resolve_model
    from dinobench.runtime.clock import peak_memory_bytes
    from dinobench.runtime.device import pick_device, prepare_device

    prepare_device(pick_device(jobs[0][0].run.device))
    model = resolve_model(request).backbone
    for job, _ in jobs:
        find_evaluator(job.card.evaluator)  # what it imports is part of a run's start
    known.setup, known.setup_cpu = time.time() - started, time.process_time()
    known.memory = peak_memory_bytes()
    measure_jobs(model, jobs, known, SECONDS)
    return known


def measure_jobs(model: LoadedBackbone, jobs: Sequence[tuple[Job, JobData]], known: Measured, seconds: float) -> None:
    """Add to `known` what the jobs need of a loaded model and is not in it yet."""
    from dinobench.pipeline.estimates.measure import MeasuredTask, measure, shape_of

    known.network = shape_of(model)
    tasks = []
    for job, data in jobs:
        try:
            cost = cost_of(job, known.network, data)
        except InputError:
            continue  # the estimate says why
        context = _context_of(job, model)
        tasks.append(MeasuredTask(context, job.card.evaluator, cost, data.images, data.spec))
    measure(tasks, known, seconds)


def _context_of(job: Job, model: LoadedBackbone) -> EvaluationContext[Any]:
    from dinobench.evaluators.base import EvaluationContext
    from dinobench.runtime.device import pick_device

    run = job.run
    return EvaluationContext(
        task=job.card.name,
        model=model,
        data=job.data,
        layout=job.card.layout,
        settings=job.settings,
        output=Path(),
        device=pick_device(run.device),
        batch_size=job.forward_batch,
        workers=run.workers,
        precision=run.precision,
        compiled=run.compile,
        seed=run.seed,
    )
