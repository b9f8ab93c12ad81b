"""A part of a record's images scored once more from their pixels, and compared with what the record says of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dinobench.cards import load_models, load_tasks
from dinobench.evaluators.base import NothingKeptError, Rescoring
from dinobench.models.loading.opened_once import opened_once
from dinobench.pipeline.model import NO_CARD, ModelRequest, ResolvedModel, refuse_missing_model, resolve_model
from dinobench.pipeline.plan import Job, Plan, asked_settings, job_of_card, job_of_network, make_plan
from dinobench.pipeline.run import score_again
from dinobench.pipeline.selection import select_tasks
from dinobench.results.frames import read_frame
from dinobench.results.records import RunRecord, read_record
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.names import file_below
from dinobench.runtime.settings import fields_of, plain

if TYPE_CHECKING:
    import pandas as pd

    from dinobench.evaluators.base import EvaluationContext

TOLERANCE = 1e-3
"""Of values: the last bits of features follow the machine and the size of a batch; names of classes must be equal."""


@dataclass(frozen=True)
class Rescored:
    """What a second look at some images gave.

    Attributes:
        images: names of those that were scored again.
        problems: what is not as the record says, one line each.
        notes: why nothing could be scored again.
    """

    images: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@opened_once()
def rescore(
    path: Path,
    share: float,
    *,
    model: str = "",
    data: str = "",
    seed: int = 0,
    tasks_dir: Path | None = None,
    models_dir: Path | None = None,
) -> Rescored:
    """Score a share of a record's images again.

    Args:
        path: of the record.
        share: of the images, above 0 and at most 1.
        model: SPEC where it is not where the record found it.
        data: SPEC, likewise.
        seed: of the draw of images.
        tasks_dir: folder with further task cards.
        models_dir: folder with further model cards.

    Raises:
        InputError: the model or the data are not there, or not to be opened.
    """
    record = read_record(path)
    if reason := _nothing_to_score(record):
        return Rescored(notes=(reason,))
    file = _kept_file(record, path.parent)
    if file is None:
        return Rescored(notes=("it keeps nothing of single images, so none is scored again",))
    kept = read_frame(file)
    plan, job, resolved = _resolve(record, model, data, tasks_dir, models_dir)
    problems = _differences(record, plan, job, resolved)
    if problems:
        return Rescored(problems=tuple(problems))
    with tempfile.TemporaryDirectory(prefix="dinobench-rescore-") as folder:
        try:
            context, again = _score(job, resolved, Path(folder), Rescoring(share, seed, file.parent))
        except NothingKeptError as error:
            return Rescored(notes=(str(error),))
    problems = _other_data(record, context)
    return Rescored(tuple(again["image"]), tuple(problems or _other_values(kept, again)))


def _nothing_to_score(record: RunRecord) -> str:
    if record.imported:
        return f"it was imported from another tool's file ({record.imported}), so no image is scored again"
    if record.failed:
        return "the run failed, so no image is scored again"
    return "" if record.data.splits else "it reads no images, so none is scored again"


def _resolve(
    record: RunRecord, model: str, data: str, tasks_dir: Path | None, models_dir: Path | None
) -> tuple[Plan, Job, ResolvedModel]:
    """The record's job and network, by today's cards."""
    spec = model or record.model.spec
    task = f"{record.task}@{record.protocol.name}"
    plan = make_plan(
        task, spec, data or record.data.spec, settings=_asked(record, task, tasks_dir), tasks_dir=tasks_dir
    )
    job = plan.jobs[0]
    card = (record.model.card or NO_CARD) if user_path(spec).is_file() else ""
    request = ModelRequest(spec, asked_settings(plan), card, record.model.name, models_dir, job.protocol.by_card)
    _refuse_missing(record, request, models_dir)
    resolved = resolve_model(request)
    job = job_of_card(job, resolved.backbone.name, resolved.card)
    return plan, job_of_network(job, resolved.backbone.backbone), resolved


def _asked(record: RunRecord, task: str, tasks_dir: Path | None) -> dict[str, Any]:
    """The settings of the record that are not the defaults of today."""
    usual = plain(select_tasks(task, load_tasks(tasks_dir))[0][1].settings)
    own = {key: record.settings[key] for key in usual.keys() & record.settings.keys()}
    return {
        **{key: value for key, value in record.deviations.items() if key in record.settings},  # others are facts
        **{key: value for key, value in own.items() if _plain(value) != _plain(usual[key])},
    }


def _refuse_missing(record: RunRecord, request: ModelRequest, models_dir: Path | None) -> None:
    try:
        refuse_missing_model(request, load_models(models_dir))
    except InputError as error:
        raise InputError(f"{record.name}: {error}; say where the model is by --model") from error


def _differences(record: RunRecord, plan: Plan, job: Job, resolved: ResolvedModel) -> list[str]:
    """In what today's network, protocol and settings are not the record's."""
    lines = []
    if resolved.backbone.sha256 != record.model.sha256:
        lines.append(
            f"the weights of {plan.model} have digest {resolved.backbone.sha256[:16]}, the record's "
            f"{record.model.sha256[:16]}"
        )
    if job.protocol.hash != record.protocol.hash:
        lines.append(f"protocol {job.protocol.name} of {job.card.name} is not the record's any more")
    settings = plain(job.settings)
    fields = fields_of(job.card.settings_type)
    lines += [
        f"{key} is {settings[key]!r}, in the record {record.settings[key]!r}"
        for key in settings.keys() & record.settings.keys()
        if fields[key].about.moves_figure and _plain(settings[key]) != _plain(record.settings[key])
    ]
    return lines


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _kept_file(record: RunRecord, folder: Path) -> Path | None:
    """The file that has a value of every image."""
    found = (file_below(folder, name) for name in record.files if Path(name).stem == "predictions")
    return next(filter(None, found), None)


def _score(
    job: Job, resolved: ResolvedModel, folder: Path, rescoring: Rescoring
) -> tuple[EvaluationContext[Any], pd.DataFrame]:
    """The values of the images that were drawn, and the context that has the data's digests."""
    from dinobench.runtime.device import pick_device, prepare_device

    device = pick_device(job.run.device)
    prepare_device(device)
    context, scores = score_again(job, resolved.backbone, folder, device, rescoring)
    (file,) = (Path(name) for name in scores.files if Path(name).stem == "predictions")
    return context, read_frame(file)


def _other_data(record: RunRecord, context: EvaluationContext[Any]) -> list[str]:
    return [
        f"the {role} data have digest {manifest.sha256[:16]}, the record's {record.data.splits[role].sha256[:16]}"
        for role, manifest in context.manifests.items()
        if role in record.data.splits and manifest.sha256 != record.data.splits[role].sha256
    ]


def _other_values(kept: pd.DataFrame, again: pd.DataFrame) -> list[str]:
    """What is said of the images now and was not then, one line for each image."""
    before = kept.drop_duplicates("image").set_index("image")
    lines = []
    for row in again.to_dict("records"):
        image = row.pop("image")
        if image not in before.index:
            lines.append(f"{image} is scored now, and the record says nothing of it")
            continue
        then = before.loc[image]
        changed = [name for name in row if name in before.columns and not _equal(row[name], then[name])]
        if changed:
            told = (f"{name} is {_told(row[name])}, in the record {_told(then[name])}" for name in changed[:3])
            lines.append(f"{image}: {'; '.join(told)}")
    return lines


def _equal(now: Any, then: Any) -> bool:
    if isinstance(now, str) or isinstance(then, str):
        return bool(now == then)
    return bool(np.isclose(now, then, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))


def _told(value: Any) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"
