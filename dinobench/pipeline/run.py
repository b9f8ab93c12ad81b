"""Load the model, run every job, write a record of each."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.cards import ModelCard, load_models
from dinobench.pipeline.plan import Job, Plan, make_plan
from dinobench.pipeline.record import make_record
from dinobench.results.records import RECORDS, RecordStore, RunRecord, run_name
from dinobench.runtime.errors import InputError
from dinobench.runtime.signals import StoppedError
from dinobench.runtime.suggest import did_you_mean

if TYPE_CHECKING:
    import torch

    from dinobench.evaluators.base import EvaluationContext, Scores
    from dinobench.models.loading.spec import LoadedBackbone


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

    Under torchrun every process calls this: they share the work; the first one writes, reports and
    returns the records, the others return none.

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
    from dinobench.runtime.device import pick_device
    from dinobench.runtime.processes import process_group, rank

    plan = make_plan(tasks, model, data, protocol, settings, tasks_dir=tasks_dir)
    loaded, card = load_model(plan, models_dir)
    records = []
    with process_group(pick_device(plan.run["device"])) as device:
        for job in plan.jobs:
            record = _attempt(plan, job, _context(plan, job, loaded, output, device), card, output)
            if rank() == 0:
                RecordStore(output).add(record)
                report(record)
                records.append(record)
    return records


def load_model(plan: Plan, models_dir: Path | None = None) -> tuple[LoadedBackbone, ModelCard | None]:
    """The plan's model and its card, if `plan.model` names one.

    Raises:
        InputError: the weights cannot be had or do not fit.
    """
    from dinobench.models.loading.spec import MODEL_SETTINGS, load_backbone
    from dinobench.runtime.device import pick_device, prepare_device

    prepare_device(pick_device(plan.run["device"]))
    cards = load_models(models_dir)
    card = cards.get(plan.model)
    refuse_missing_model(plan, cards)
    if card is None or card.random:
        loaded = load_backbone(card.weights if card else plan.model, settings=plan.model_settings)
        return loaded, card or _card_of_random(loaded, cards.values())
    asked = {key: value for key, value in plan.model_settings.items() if value != MODEL_SETTINGS[key]}
    loaded = load_backbone(str(_fetched(card)), settings={**card.settings, **asked})
    return dataclasses.replace(loaded, name=card.name, spec=card.name), card


def refuse_missing_model(plan: Plan, cards: Mapping[str, ModelCard]) -> None:
    """Say before anything is loaded that a card's weights or a file are not there.

    Raises:
        InputError: what is missing, which name was probably meant, or how to get the weights.
    """
    from dinobench.models.loading.checkpoint_file import checkpoint_path
    from dinobench.models.loading.spec import is_path

    card = cards.get(plan.model)
    if card is not None:
        if not card.random:
            _fetched(card)
        return
    hint = did_you_mean(plan.model, cards)
    if hint and not {":", "/"} & set(plan.model) and not Path(plan.model).exists():
        raise InputError(f"no model {plan.model!r}: no such file, run directory or card; {hint}")
    if is_path(plan.model):
        checkpoint_path(plan.model, str(plan.model_settings["which"]))


def _fetched(card: ModelCard) -> Path:
    """The file of a card's weights; InputError where it is not here."""
    from dinobench.models.loading.download import cached_weights

    if not card.released:
        raise InputError(f"the weights of {card.name} are not released: {card.because}")
    path = cached_weights(card.name, card.weights)
    if path is None:
        raise InputError(f"the weights of {card.name} are not here; run `dinobench models fetch {card.name}` first")
    return path


def _card_of_random(loaded: LoadedBackbone, cards: Iterable[ModelCard]) -> ModelCard | None:
    """The card of random weights in the architecture of a `random:` model."""
    drawn = (card for card in cards if card.random and card.architecture == loaded.architecture)
    return next(drawn, None) if loaded.family == "random" else None


def _attempt(plan: Plan, job: Job, context: EvaluationContext, card: ModelCard | None, output: Path) -> RunRecord:
    """The job's record; a job on its own that fails raises, one among others is recorded as failed."""
    alone = len(plan.jobs) == 1
    try:
        return _run(plan, job, context, card)
    except StoppedError:
        raise
    except InputError as error:
        if alone:
            raise
        return make_record(plan, job, context, card, error=str(error))
    except Exception as error:
        record = make_record(plan, job, context, card, error=f"{type(error).__name__}: {error}")
        if alone:
            RecordStore(output).add(record)
            raise
        return record


def _context(plan: Plan, job: Job, model: LoadedBackbone, output: Path, device: torch.device) -> EvaluationContext:
    from dinobench.evaluators.base import EvaluationContext

    run = plan.run
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
        batch_size=run["batch_size"],
        workers=run["workers"],
        precision=run["precision"],
        compiled=run["compile"],
        seed=run["seed"],
    )


def _data_place(spec: str) -> str:
    """What tells the data before they are read: the SPEC's last part, and a digest of where it leads."""
    from dinobench.data.open import DATA_VARIABLE

    folder = Path(spec).expanduser()
    place = str(folder.resolve()) if folder.is_dir() else f"{spec} in {os.environ.get(DATA_VARIABLE, '')}"
    return f"{folder.name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _run(plan: Plan, job: Job, context: EvaluationContext, card: ModelCard | None) -> RunRecord:
    from dinobench.evaluators.base import find_evaluator
    from dinobench.runtime.processes import rank
    from dinobench.runtime.seeds import seed_everything

    seed_everything(context.seed)
    context.data = _materialize(job)
    with context.clock.phase("total"):
        scores = find_evaluator(job.card.evaluator)(context)
    if rank() == 0:
        _draw_galleries(scores)
    return make_record(plan, job, context, card, scores)


def _draw_galleries(scores: Scores) -> None:
    """A picture beside every rankings.json: what the best and the worst queries found."""
    from dinobench.results.figures.gallery import draw_gallery

    for rankings in [Path(file) for file in scores.files if Path(file).name == "rankings.json"]:
        picture = rankings.with_name("gallery.png")
        draw_gallery(rankings, picture)
        scores.files.append(str(picture))


def _materialize(job: Job) -> str:
    """The data SPEC, or for `mini` in a layout of its own a folder that holds the drawn twin."""
    if job.data != "mini" or job.card.layout == "imagefolder":
        return job.data
    from dinobench.data.twin_cache import twin_folder

    return str(twin_folder(job.card.dataset))
