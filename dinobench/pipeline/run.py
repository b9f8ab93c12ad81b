"""Load the model, run every job, write a record of each."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.cards import load_models
from dinobench.models.loading.opened_once import forget_opened, opened_once
from dinobench.pipeline.data_specs import refuse_missing_data, refuse_no_data
from dinobench.pipeline.model import Model, ModelRequest, ResolvedModel, held_model, refuse_missing_model, resolve_model
from dinobench.pipeline.plan import Job, Plan, asked_settings, job_of_card, job_of_network, make_plan, materialize_data
from dinobench.pipeline.record import make_record
from dinobench.results.record_names import run_name
from dinobench.results.records import RECORDS, RecordStore, RunRecord
from dinobench.results.track import track_record
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.hardware_failures import is_device_failure, reason_of
from dinobench.runtime.launch import told_to_others
from dinobench.runtime.signals import StoppedError
from dinobench.runtime.trackers import refuse_missing_tracker

if TYPE_CHECKING:
    import torch

    from dinobench.evaluators.base import EvaluationContext, Rescoring, Scores
    from dinobench.models.loading.spec import LoadedBackbone
    from dinobench.models.networks.backbone import Preprocessing
    from dinobench.pipeline.read_transform import Transform

Report = Callable[[RunRecord], None]


@opened_once()
def evaluate(
    tasks: str,
    model: Model | None = None,
    data: str | Path | None = None,
    protocol: str | None = None,
    output: str | Path = RECORDS,
    settings: Mapping[str, Any] | None = None,
    *,
    transform: Transform | Preprocessing | None = None,
    tasks_dir: str | Path | None = None,
    models_dir: str | Path | None = None,
    card: str = "",
    name: str = "",
    stands_for: str = "",
    report: Report = lambda record: None,
) -> list[RunRecord]:
    """Run every task on one model and write a record of each.

    Under torchrun every process calls this: they share the work; the first one writes, reports and
    returns the records, the others return none.

    Args:
        tasks: NAME[,NAME...], a group or "all".
        model: Model SPEC, what `load_backbone` gave, or an `nn.Module` (see `wrap_module`); by default the newest run.
        data: Data SPEC for all tasks; by default what a run was trained on, then the cards' own data.
        protocol: name of a protocol that every chosen task has; by default each card's own.
        output: folder of the records.
        settings: overrides of the protocol's, the model's or the run's settings.
        transform: of an `nn.Module`: from a Pillow image to its input.
        tasks_dir: folder with further task cards.
        models_dir: folder with further model cards.
        card: the published model that a file is; "none" for no card; by default it is recognized.
        name: of the model in tables and records; by default the file's or the card's.
        stands_for: the card whose weights drawn ones stand for, in a rehearsal.
        report: called with each record as soon as it is written.

    Raises:
        InputError: bad input. With several tasks, one that fails is recorded and the others still run.
    """
    folder, own_tasks, own_models = Path(output), _folder(tasks_dir), _folder(models_dir)
    with told_to_others():
        given = held_model(model, transform, name, card)
        spec = given.backbone.spec if given else None if model is None else str(model)
        plan = make_plan(tasks, spec, str(data) if data else None, protocol, settings, tasks_dir=own_tasks)
        request = ModelRequest(plan.model, asked_settings(plan), card, name, own_models, stands_for=stands_for)
        _refuse_missing(plan, request, given)
        refuse_missing_tracker(plan.run.log)
        from dinobench.runtime.device import pick_device, prepare_device  # after bad settings: torch takes seconds
        from dinobench.runtime.processes import from_first, process_group

        prepare_device(pick_device(plan.run.device))
    with process_group(pick_device(plan.run.device)) as device:
        plan = from_first(lambda: plan, "the plan")
        ways = sorted({job.protocol.by_card for job in plan.jobs})
        models = {way: _resolve_everywhere(dataclasses.replace(request, as_released=way), given) for way in ways}
        forget_opened()
        done = [
            _store_run(*_try_job(plan, job, model, folder, device), folder, report)
            for job, model in [_job_and_model(job, models[job.protocol.by_card]) for job in plan.jobs]
        ]
    return [record for record in done if record is not None]


def _folder(path: str | Path | None) -> Path | None:
    return None if path is None else user_path(str(path))


def _job_and_model(job: Job, model: ResolvedModel) -> tuple[Job, ResolvedModel]:
    job = job_of_card(job, model.backbone.name, model.card)
    return job_of_network(job, model.backbone.backbone), model


def _refuse_missing(plan: Plan, request: ModelRequest, given: ResolvedModel | None) -> None:
    """Say within a second that the model or a lone task's data are not there; of several tasks the others still run."""
    if given is None:
        refuse_missing_model(request, load_models(request.models_dir))
    elif any(job.protocol.by_card for job in plan.jobs):
        raise InputError(
            "the model is loaded, and images as its source prepares them are a setting of loading; give the card"
        )
    elif request.settings:
        raise InputError(
            f"{next(iter(request.settings))} is a setting of loading, and the model is loaded; set it then"
        )
    for job in plan.jobs:
        refuse_no_data(job.data, job.card)
    if len(plan.jobs) == 1:
        refuse_missing_data(plan.jobs[0].data)


def _resolve_everywhere(request: ModelRequest, given: ResolvedModel | None) -> ResolvedModel:
    """The model, which must be one and the same in every process."""
    from dinobench.runtime.processes import agree, fail_together

    with fail_together("loading the model"):
        resolved = given or resolve_model(request)
        agree(resolved.backbone.identity, f"the model {request.spec}", "give every process the same file")
    return resolved


def _store_run(record: RunRecord, temporary: list[Path], output: Path, report: Report) -> RunRecord | None:
    """The record, written and reported by the first process; the others have none."""
    from dinobench.runtime.processes import fail_together, rank

    with fail_together(f"the record of {record.task}"):
        if rank() != 0:
            return None
        RecordStore(output).add(record)
        track_record(record, output)
        for path in temporary:
            path.unlink(missing_ok=True)
        report(record)
    return record


def _try_job(
    plan: Plan, job: Job, model: ResolvedModel, output: Path, device: torch.device
) -> tuple[RunRecord, list[Path]]:
    """The job's record, and files that it makes needless.

    A job on its own that fails raises, one among others is recorded as failed; it fails in all processes or in none.
    A device that gives out ends all jobs, since the process can do nothing more on it.
    """
    from dinobench.runtime.processes import begin_anew, fail_together

    context = _context_of(job, model.backbone, output, device)
    if _is_first():
        from dinobench.pipeline.estimates.announce import announce

        announce(job, model.backbone)
    try:
        with fail_together(job.card.name):
            return _score_job(plan, job, context, model)
    except StoppedError:
        raise
    except Exception as error:
        record = make_record(plan, job, context, model, error=reason_of(error))
        if len(plan.jobs) > 1 and not is_device_failure(error):
            begin_anew()
            return record, []
        if not isinstance(error, InputError) and _is_first():
            RecordStore(output).add(record)
        raise


def _is_first() -> bool:
    from dinobench.runtime.processes import rank

    return rank() == 0


def _context_of(job: Job, model: LoadedBackbone, output: Path, device: torch.device) -> EvaluationContext[Any]:
    from dinobench.evaluators.base import EvaluationContext

    run = job.run
    place = _data_place(job.data)
    name = run_name(job.card.name, job.protocol.name, model.name, model.sha256, place, job.deviations)
    return EvaluationContext(
        task=job.card.name,
        model=model,
        data=job.data,
        layout=job.card.layout,
        settings=job.settings,
        output=output / "files" / name,
        device=device,
        batch_size=job.forward_batch,
        workers=run.workers,
        precision=run.precision,
        compiled=run.compile,
        seed=run.seed,
        dataset_name=job.card.dataset,
        splits={"train": run.train_split, "val": run.val_split},
        verify=run.verify,
    )


def _data_place(spec: str) -> str:
    """What tells the data before they are read: the SPEC's last part, and a digest of where it leads."""
    from dinobench.data.open import DATA_VARIABLE

    folder = user_path(spec)
    place = str(folder.resolve()) if folder.is_dir() else f"{spec} in {os.environ.get(DATA_VARIABLE, '')}"
    return f"{folder.name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}"


def _score_job(
    plan: Plan, job: Job, context: EvaluationContext[Any], model: ResolvedModel
) -> tuple[RunRecord, list[Path]]:
    scores = _scores_of(job, context)
    return make_record(plan, job, context, model, scores), scores.temporary


def _scores_of(job: Job, context: EvaluationContext[Any]) -> Scores:
    from dinobench.evaluators.base import find_evaluator
    from dinobench.runtime.seeds import seed_everything

    seed_everything(context.seed)
    context.data = materialize_data(job)
    with context.clock.phase("total"):
        return find_evaluator(job.card.evaluator)(context)


def score_again(
    job: Job, model: LoadedBackbone, output: Path, device: torch.device, rescoring: Rescoring
) -> tuple[EvaluationContext[Any], Scores]:
    """Score a part of a record's images once more, without a record; files go below `output`."""
    context = _context_of(job, model, output, device)
    context.rescoring = rescoring
    return context, _scores_of(job, context)
