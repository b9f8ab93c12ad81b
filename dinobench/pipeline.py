"""The way of a score: from what the user typed to records on disk."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.cards import ModelCard, Protocol, TaskCard, load_models, load_tasks, select_tasks
from dinobench.results.records import RecordStore, RunRecord
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import override
from dinobench.runtime.suggest import unknown

if TYPE_CHECKING:
    from dinobench.evaluators.base import EvaluationContext, Scores
    from dinobench.models.load import LoadedBackbone

RUNS = Path("runs")
RECORDS = Path("results/records")
RUN_SETTINGS: Mapping[str, Any] = {
    "device": "auto",
    "batch_size": 64,
    "workers": 0,
    "precision": "fp32",
    "seed": 0,
}


@dataclass(frozen=True)
class Job:
    """One task as it will run.

    Attributes:
        settings: the protocol's, with the user's overrides.
        overridden: names of the settings that differ from the protocol's.
    """

    card: TaskCard
    protocol: Protocol
    data: str
    settings: Mapping[str, Any]
    overridden: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that `evaluate` will do, known before anything is loaded."""

    model: str
    jobs: tuple[Job, ...]
    run: Mapping[str, Any]
    model_settings: Mapping[str, Any]


def make_plan(
    tasks: str,
    model: str | None = None,
    data: str | None = None,
    protocol: str | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    tasks_dir: Path | None = None,
) -> Plan:
    """Resolve names and settings; nothing is loaded.

    Raises:
        InputError: unknown task, protocol or setting, or no run to score.
    """
    from dinobench.models.load import MODEL_SETTINGS

    cards = select_tasks(tasks, load_tasks(tasks_dir))
    spec = model or str(newest_run())
    changes = dict(settings or {})
    _refuse_unknown(
        changes, [RUN_SETTINGS, MODEL_SETTINGS, *(_defaults(card, card.protocol(protocol)) for card in cards)]
    )
    run = override(RUN_SETTINGS, _known(changes, RUN_SETTINGS), "the run")
    jobs = tuple(_job(card, protocol, data or _default_data(card, spec), changes) for card in cards)
    return Plan(spec, jobs, run, override(MODEL_SETTINGS, _known(changes, MODEL_SETTINGS), "the model"))


def _job(card: TaskCard, protocol_name: str | None, data: str, changes: Mapping[str, Any]) -> Job:
    protocol = card.protocol(protocol_name)
    defaults = _defaults(card, protocol)
    settings = override(defaults, _known(changes, defaults), f"{card.name}@{protocol.name}")
    overridden = tuple(key for key, value in protocol.settings.items() if value != settings[key])
    return Job(card, protocol, data, settings, overridden)


def _defaults(card: TaskCard, protocol: Protocol) -> dict[str, Any]:
    return {**card.options, **protocol.settings}


def _known(changes: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if key in defaults}


def _refuse_unknown(changes: Mapping[str, Any], groups: list[Mapping[str, Any]]) -> None:
    known = {key for group in groups for key in group}
    for key in changes:
        if key not in known:
            raise unknown("setting", key, known)


def newest_run(runs: Path = RUNS) -> Path:
    """The run directory whose checkpoint was written last.

    Raises:
        InputError: there is none.
    """
    checkpoints = [path for path in runs.glob("*/checkpoint.pth") if path.is_file()]
    if not checkpoints:
        raise InputError(f"no --model given and no run under {runs.resolve()}; train one with `dinobench train`")
    return max(checkpoints, key=lambda path: path.stat().st_mtime).parent


def _default_data(card: TaskCard, model: str) -> str:
    """What a run was trained on, else the card's data set where $DINOBENCH_DATA says where it is, else `mini`."""
    from dinobench.models.load import training_data

    if (trained_on := training_data(model)) is not None and card.layout == "imagefolder":
        return trained_on
    return card.dataset if os.environ.get("DINOBENCH_DATA") else "mini"


def evaluate(
    tasks: str,
    model: str | None = None,
    data: str | None = None,
    protocol: str | None = None,
    output: Path = RECORDS,
    settings: Mapping[str, Any] | None = None,
    *,
    tasks_dir: Path | None = None,
    models_dir: Path | None = None,
    report: Callable[[RunRecord], None] = lambda record: None,
) -> list[RunRecord]:
    """Run every task on one model and write a record of each.

    Args:
        tasks: NAME[,NAME...], a group or "all".
        model: Model SPEC; by default the newest run.
        data: Data SPEC for all tasks; by default what a run was trained on, then the cards' own data, then `mini`.
        protocol: name of a protocol that every chosen task has; by default each card's own.
        output: folder of the records.
        settings: overrides of the protocol's, the model's or the run's settings.
        tasks_dir: folder with further task cards.
        models_dir: folder with further model cards.
        report: called with each record as soon as it is written.

    Raises:
        InputError: bad input. With several tasks, one that fails is recorded and the others still run.
    """
    plan = make_plan(tasks, model, data, protocol, settings, tasks_dir=tasks_dir)
    loaded, card = load_model(plan, models_dir)
    records = []
    for job in plan.jobs:
        record = _run_or_record_failure(plan, job, loaded, card, output)
        RecordStore(output).add(record)
        report(record)
        records.append(record)
    return records


def load_model(plan: Plan, models_dir: Path | None = None) -> tuple[LoadedBackbone, ModelCard | None]:
    """The plan's model and its card, if `plan.model` names one.

    Raises:
        InputError: the weights cannot be had or do not fit.
    """
    from dinobench.models.fetch import cached_weights
    from dinobench.models.load import load_backbone
    from dinobench.runtime.cpu import tune_cpu

    tune_cpu()
    card = load_models(models_dir).get(plan.model)
    if card is None:
        return load_backbone(plan.model, settings=plan.model_settings), None
    if not card.released:
        raise InputError(f"the weights of {card.name} are not released: {card.because}")
    path = cached_weights(card.name, card.weights)
    if path is None:
        raise InputError(f"the weights of {card.name} are not here; run `dinobench models fetch {card.name}` first")
    loaded = load_backbone(str(path), settings={**plan.model_settings, **card.settings})
    return dataclasses.replace(loaded, name=card.name, spec=card.name), card


def _run_or_record_failure(
    plan: Plan, job: Job, model: LoadedBackbone, card: ModelCard | None, output: Path
) -> RunRecord:
    context = _context(plan, job, model, output)
    try:
        return _run(plan, job, context, card)
    except InputError as error:
        if len(plan.jobs) == 1:
            raise
        return _record(plan, job, context, card, error=str(error))
    except Exception as error:
        if len(plan.jobs) == 1:
            _write_failure(plan, job, context, card, output, error)
            raise
        return _record(plan, job, context, card, error=f"{type(error).__name__}: {error}")


def _write_failure(
    plan: Plan, job: Job, context: EvaluationContext, card: ModelCard | None, output: Path, error: Exception
) -> None:
    RecordStore(output).add(_record(plan, job, context, card, error=f"{type(error).__name__}: {error}"))


def _context(plan: Plan, job: Job, model: LoadedBackbone, output: Path) -> EvaluationContext:
    from dinobench.evaluators.base import EvaluationContext
    from dinobench.runtime.device import pick_device

    run = plan.run
    folder = output / "files" / f"{job.card.name}@{job.protocol.name}--{model.name}--{model.sha256[:8]}"
    return EvaluationContext(
        task=job.card.name,
        model=model,
        data=job.data,
        layout=job.card.layout,
        settings=job.settings,
        output=folder,
        device=pick_device(run["device"]),
        batch_size=run["batch_size"],
        workers=run["workers"],
        precision=run["precision"],
        seed=run["seed"],
    )


def _run(plan: Plan, job: Job, context: EvaluationContext, card: ModelCard | None) -> RunRecord:
    from dinobench.evaluators.base import find_evaluator
    from dinobench.runtime.seeds import seed_everything

    seed_everything(context.seed)
    context.data = _materialise(job)
    with context.clock.phase("total"):
        scores = find_evaluator(job.card.evaluator)(context)
    return _record(plan, job, context, card, scores)


def _materialise(job: Job) -> str:
    """The data SPEC, or for `mini` in a layout of its own a folder that holds the drawn twin."""
    if job.data != "mini" or job.card.layout == "imagefolder":
        return job.data
    from dinobench.data.twin_cache import twin_folder

    return str(twin_folder(job.card.dataset))


def _record(
    plan: Plan,
    job: Job,
    context: EvaluationContext,
    card: ModelCard | None,
    scores: Scores | None = None,
    error: str = "",
) -> RunRecord:
    from dinobench.evaluators.base import Scores
    from dinobench.runtime.clock import peak_memory_bytes
    from dinobench.runtime.device import device_name
    from dinobench.runtime.stamp import environment, now

    scores = scores or Scores({})
    because = _reasons(plan, job, scores)
    protocol = {"name": job.protocol.name, "version": job.protocol.version, "hash": job.protocol.hash}
    return RunRecord(
        task=job.card.name,
        protocol=protocol,
        main_metric=job.card.main_metric,
        model=_describe_model(context.model, card),
        data=_describe_data(job, context),
        settings={**plan.run, **plan.model_settings, **job.settings},
        date=now(),
        device=device_name(context.device),
        environment=environment(),
        metrics=dict(scores.metrics),
        intervals=dict(scores.intervals),
        details=scores.details,
        images=scores.images,
        seconds=context.clock.seconds,
        peak_memory_bytes=peak_memory_bytes(),
        warnings=tuple(scores.warnings),
        files=tuple(scores.files),
        comparable=not (because or error),
        because=because,
        error=error,
    )


def _reasons(plan: Plan, job: Job, scores: Scores) -> tuple[str, ...]:
    """Why the figure must not stand beside the published one; empty if it may."""
    reasons = [] if job.protocol.comparable else [job.protocol.because]
    reasons += [f"{key} = {job.settings[key]!r} differs from the protocol" for key in job.overridden]
    for split, expected in job.card.images.items():
        counted = scores.images.get(split)
        if counted is not None and counted != expected:
            reasons.append(f"{counted} {split} images where the benchmark has {expected}")
    if plan.run["precision"] != "fp32":
        reasons.append(f"computed in {plan.run['precision']}")
    return tuple(reasons + scores.not_comparable)


def _describe_model(model: LoadedBackbone, card: ModelCard | None) -> dict[str, Any]:
    return {
        "name": model.name,
        "spec": model.spec,
        "card": card.name if card else "",
        "family": model.family,
        "architecture": model.architecture,
        "sha256": model.sha256,
        "source": model.source,
        "parameters": model.parameters,
        "preprocessing": dataclasses.asdict(model.preprocessing),
    }


def _describe_data(job: Job, context: EvaluationContext) -> dict[str, Any]:
    splits = {split: dataclasses.asdict(manifest) for split, manifest in context.manifests.items()}
    return {"spec": job.data, "layout": job.card.layout, "splits": splits}
