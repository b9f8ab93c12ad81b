"""From scores to a record: what was run, on what, and whether it may stand beside the published figure."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.models.loading.settings import ModelSettings
from dinobench.pipeline.model import ResolvedModel
from dinobench.pipeline.plan import Job, Plan
from dinobench.results.records import DataInfo, ModelInfo, ProtocolRef, RunRecord, SplitInfo
from dinobench.runtime.files import user_path
from dinobench.runtime.settings import differing, fields_of, plain, toml_text

if TYPE_CHECKING:
    from dinobench.evaluators.base import EvaluationContext, Scores


def make_record(
    plan: Plan,
    job: Job,
    context: EvaluationContext[Any],
    model: ResolvedModel,
    scores: Scores | None = None,
    error: str = "",
) -> RunRecord:
    """The record of one job; of a failed one where `error` says what happened."""
    from dinobench.evaluators.base import Scores
    from dinobench.runtime.clock import peak_memory_bytes
    from dinobench.runtime.device import device_name, peak_device_memory
    from dinobench.runtime.processes import world_size
    from dinobench.runtime.stamp import current_time, environment

    scores = scores or Scores({})
    classes = [manifest.classes for manifest in context.manifests.values()]
    unlike = job.card.differences(scores.images, classes)
    unlike += _unproven_data(job, {split: manifest.sha256 for split, manifest in context.manifests.items()})
    because = (*_incomparable_reasons(plan, job, scores), *unlike, *filter(None, [model.unverified]))
    protocol = ProtocolRef(job.protocol.name, job.protocol.version, job.protocol.hash)
    return RunRecord(
        task=job.card.name,
        protocol=protocol,
        main_metric=_main_metric(job, scores),
        model=_describe_model(model),
        data=_describe_data(job, context),
        settings={**plain(job.run), **plain(plan.model_settings), **plain(job.settings)},
        date=current_time(),
        device=device_name(context.device),
        environment=environment(),
        metrics=dict(scores.metrics),
        intervals=dict(scores.intervals),
        details=scores.details,
        images=scores.images,
        seconds=dict(context.clock.seconds),
        peak_memory_bytes=peak_device_memory(context.device) or peak_memory_bytes(),
        warnings=(*context.notes, *scores.warnings),
        files=tuple(os.path.relpath(file, context.output.parents[1]) for file in scores.files),
        comparable=not (because or error),
        because=because,
        error=error,
        deviations={**job.deviations, **scores.deviations},
        processes=world_size(),
        rehearsal=model.rehearsal,
    )


def _incomparable_reasons(plan: Plan, job: Job, scores: Scores) -> tuple[str, ...]:
    """Why the figure must not stand beside the published one; empty if it may."""
    reasons = [] if job.protocol.comparable else [job.protocol.because]
    reasons += [job.card.note] if job.card.note else []
    reasons += [f"{key} = {toml_text(job.deviations[key])} differs from the protocol" for key in job.overridden]
    about_model = fields_of(ModelSettings)
    reasons += [
        f"{key} = {toml_text(value)} in place of the model's own"
        for key, value in differing(plan.model_settings, ModelSettings()).items()
        if about_model[key].about.departs and key not in job.overridden  # a task's own is among those already
    ]
    if job.run.precision != "fp32":
        reasons.append(f"computed in {job.run.precision}")
    return tuple(reasons + scores.not_comparable)


def _unproven_data(job: Job, digests: Mapping[str, str]) -> list[str]:
    """Why data of these digests by split do not count as the benchmark of a card of the user's own."""
    from dinobench.data.open import EMBEDDED

    card = job.card
    if not card.own or card.note or (job.data == card.dataset and job.data in EMBEDDED):
        return []
    if not card.cells:
        return [f"{card.name} is your own task, with no published figure"]
    lines = [
        f"{split} data have digest {digest[:16]}, and card {card.name} says {card.digests[split][:16]}"
        for split, digest in digests.items()
        if digest != card.digests.get(split, digest)
    ]
    absent = [split for split in digests if split not in card.digests]
    return lines + (
        [f"your own card {card.name} states no digest of the {' and '.join(absent)} data"] if absent else []
    )


def _main_metric(job: Job, scores: Scores) -> str:
    """The card's; the first figure where the settings gave it another name (other shares of the attention's mass)."""
    if scores.metrics and job.card.main_metric not in scores.metrics:
        return next(iter(scores.metrics))
    return job.card.main_metric


def _describe_model(resolved: ResolvedModel) -> ModelInfo:
    model = resolved.backbone
    return ModelInfo(
        name=model.name,
        sha256=model.sha256,
        spec=model.spec,
        card=resolved.card.name if resolved.card else "",
        family=model.family,
        architecture=model.architecture,
        source=_seen_from_here(model.source),
        parameters=model.parameters,
        preprocessing=dataclasses.asdict(model.preprocessing),
        choices=resolved.notes,
        epoch=model.epoch,
    )


def _seen_from_here(source: str) -> str:
    """Without the folders above the current one, where a file lies below it: a record tells nobody of them."""
    here = Path.cwd()
    return str(Path(source).relative_to(here)) if Path(source).is_relative_to(here) else source


def _describe_data(job: Job, context: EvaluationContext[Any]) -> DataInfo:
    splits = {
        split: SplitInfo(manifest.sha256, manifest.images, manifest.classes)
        for split, manifest in context.manifests.items()
    }
    return DataInfo(job.data, job.card.layout, short_data_name(job.data), splits)


def short_data_name(spec: str) -> str:
    """The last part of a data SPEC; of `.` and `..` the folder that they mean."""
    return Path(spec).name or user_path(spec).resolve().name
