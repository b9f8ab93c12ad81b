"""What an evaluation will do, known before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.cards import ModelCard, Protocol, TaskCard, load_tasks
from dinobench.models.loading.opened_once import opened_once
from dinobench.models.loading.settings import ModelSettings
from dinobench.pipeline.data_specs import data_by_task
from dinobench.pipeline.selection import select_tasks
from dinobench.pipeline.settings import RunSettings
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.settings import (
    differing,
    fields_of,
    known_changes,
    plain,
    refuse_former,
    refuse_unknown,
    resolve,
)
from dinobench.runtime.shorter_runs import shorter_parts

if TYPE_CHECKING:
    from torch import nn

RUNS = Path("runs")


@dataclass(frozen=True)
class Job:
    """One task as it will run.

    Attributes:
        settings: the evaluator's `Settings`: the protocol's, with the user's changes.
        run: where and how fast it computes.
        overridden: names of the settings by which it departs from its protocol.
        deviations: every setting of the task, the model and the run that may move the figure and is not its default.
    """

    card: TaskCard
    protocol: Protocol
    data: str
    settings: Any
    run: RunSettings
    overridden: tuple[str, ...]
    deviations: Mapping[str, Any]

    @property
    def forward_batch(self) -> int:
        """Images per forward pass: the task's own where it has one, because its batch_size is of training steps."""
        return int(getattr(self.settings, "forward_batch", self.run.batch_size))


@dataclass(frozen=True)
class Plan:
    """Everything that `evaluate` will do, known before anything is loaded."""

    model: str
    jobs: tuple[Job, ...]
    run: RunSettings
    model_settings: ModelSettings


@opened_once()
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

    A setting that a task has too, as `batch_size` of a training or `image_size`, is the task's: the run's or the
    model's of the same name takes it only if some chosen task has none of its own.

    Raises:
        InputError: unknown task, protocol or setting, or no run to score.
    """
    chosen = select_tasks(tasks, load_tasks(tasks_dir), protocol)
    changes = dict(settings or {})
    kinds = [card.settings_type for card, _ in chosen]
    refuse_former(changes, kinds)  # first: a task's former word may be one of the model's now
    refuse_unknown(changes, [*kinds, RunSettings, ModelSettings])
    shared = _left_to_others(changes, [card for card, _ in chosen])
    run = resolve(RunSettings, known_changes(RunSettings, shared), "the run")
    of_model = resolve(ModelSettings, known_changes(ModelSettings, shared), "the model")
    resolved = [_protocol_settings(card, used, changes) for card, used in chosen]
    spec = model or str(newest_run())
    specs = data_by_task(data, [card for card, _ in chosen])
    jobs = tuple(
        _build_job(card, used, specs.get(card.name) or default_data(card, spec), own, run, of_model)
        for (card, used), own in zip(chosen, resolved, strict=True)
    )
    return Plan(spec, jobs, run, of_model)


def job_of_network(job: Job, network: nn.Module) -> Job:
    """The job as it stands for a loaded network: with batch norm, settings count that move no other figure."""
    from dinobench.models.networks.batch_norm import has_batch_norm

    if not has_batch_norm(network):
        return job
    own = differing(job.settings, job.protocol.settings, batch_norm=True)
    more = tuple(name for name in own if name not in job.deviations)
    return replace(job, overridden=(*job.overridden, *more), deviations={**job.deviations, **own})


def job_of_card(job: Job, model: str, card: ModelCard | None) -> Job:
    """The job under the protocol as the model's card completes it, where the protocol leaves that to the card.

    Raises:
        InputError: no card, or one that does not say how the source of the weights measures.
    """
    if not job.protocol.by_card:
        return job
    if card is None or not card.released_settings:
        what = "no card" if card is None else f"card {card.name}"
        raise InputError(
            f"{job.card.name}@{job.protocol.name} measures as the source of the weights does, and {what} says how for "
            f"{model}; name the card by --card, or take --protocol {job.card.default_protocol}"
        )
    own = dict(card.released_settings.get(job.card.evaluator, {}))
    where = f"{job.card.name}@{job.protocol.name} of card {card.name}"
    settings = resolve(job.card.settings_type, own, where, job.protocol.settings)
    asked = {name: getattr(job.settings, name) for name in plain(job.settings) if _is_asked(job, name)}
    return replace(job, protocol=replace(job.protocol, settings=settings), settings=replace(settings, **asked))


def _is_asked(job: Job, name: str) -> bool:
    """Whether the user's value of a setting is another than the protocol's."""
    return bool(getattr(job.settings, name) != getattr(job.protocol.settings, name))


def asked_settings(plan: Plan) -> dict[str, Any]:
    """The model's settings that the user gave, so that a card's own hold for the others."""
    return differing(plan.model_settings, ModelSettings())


def _left_to_others(changes: Mapping[str, Any], cards: Sequence[TaskCard]) -> dict[str, Any]:
    """Those of `changes` that not every task takes for itself."""
    fields = (fields_of(card.settings_type).values() for card in cards)
    owned = set.intersection(*({field.name for field in each if not field.about.shared} for each in fields))
    return {key: value for key, value in changes.items() if key not in owned}


def _protocol_settings(card: TaskCard, protocol: Protocol, changes: Mapping[str, Any]) -> Any:
    kind = card.settings_type
    own = known_changes(kind, changes)
    own |= shorter_parts(own, protocol.settings, whole_run=False)
    return resolve(kind, own, f"{card.name}@{protocol.name}", protocol.settings)


def _build_job(
    card: TaskCard, protocol: Protocol, data: str, settings: Any, shared: RunSettings, of_model: ModelSettings
) -> Job:
    own, fields = differing(settings, protocol.settings), fields_of(card.settings_type)
    usual = RunSettings()
    run = replace(shared, **{name: getattr(usual, name) for name in fields_of(RunSettings) if name in fields})
    overridden = tuple(name for name in own if fields[name].about.departs)
    deviations = {**differing(run, usual), **differing(of_model, ModelSettings()), **own}
    return Job(card, protocol, data, settings, run, overridden, deviations)


def newest_run(runs: Path = RUNS) -> Path:
    """The run directory whose checkpoint was written last.

    Raises:
        InputError: there is none.
    """
    checkpoints = [path for path in runs.glob("*/checkpoint.pth") if path.is_file()]
    if not checkpoints:
        raise InputError(f"no --model given and no run under {runs.resolve()}; train one with `dinobench train`")
    return max(checkpoints, key=lambda path: path.stat().st_mtime).parent


def default_data(card: TaskCard, model: str) -> str:
    """The data of a task where the user names none.

    What a run was trained on, for labeled images; else the card's data set where $DINOBENCH_DATA says where it is; for
    other tasks of such a run `mini`; for other models none (""): nobody asked to score them on drawn images.
    """
    from dinobench.data.open import DATA_VARIABLE

    trained_on = _training_data(model)
    if card.layout == "imagefolder" and trained_on is not None:
        return trained_on
    if os.environ.get(DATA_VARIABLE):
        return card.dataset
    return "" if trained_on is None else "mini"


def _training_data(model: str) -> str | None:
    if not user_path(model).exists():
        return None  # spares the import of torch
    from dinobench.models.loading.spec import training_data

    return training_data(model)


def materialize_data(job: Job) -> str:
    """The data SPEC, or for `mini` in a layout of its own a folder that holds the drawn twin."""
    if job.data != "mini" or job.card.layout == "imagefolder":
        return job.data
    from dinobench.data.twin_cache import twin_folder

    return str(twin_folder(job.card.dataset))
