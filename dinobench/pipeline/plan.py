"""What an evaluation will do, known before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinobench.cards import Protocol, TaskCard, load_tasks, select_tasks
from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import override
from dinobench.runtime.suggest import unknown

RUNS = Path("runs")
RUN_SETTINGS: Mapping[str, Any] = {
    "device": "auto",
    "batch_size": 64,
    "workers": 0,
    "precision": "fp32",
    "compile": False,
    "seed": 0,
}

# Settings that cannot move a figure: a run with others replaces the record of one without.
_HARMLESS = frozenset(
    {"device", "batch_size", "workers", "compile", "search", "predictions", "pictures", "resume", "save_weights"}
)


@dataclass(frozen=True)
class Job:
    """One task as it will run.

    Attributes:
        settings: the protocol's, with the user's overrides.
        overridden: names of the settings that differ from the protocol's.
        deviations: every setting of the task, the model and the run that may move the figure and is not its default.
    """

    card: TaskCard
    protocol: Protocol
    data: str
    settings: Mapping[str, Any]
    overridden: tuple[str, ...]
    deviations: Mapping[str, Any]


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
    from dinobench.models.loading.spec import MODEL_SETTINGS

    chosen = select_tasks(tasks, load_tasks(tasks_dir), protocol)
    spec = model or str(newest_run())
    changes = dict(settings or {})
    _refuse_unknown(changes, [RUN_SETTINGS, MODEL_SETTINGS, *(_defaults(card, used) for card, used in chosen)])
    run = override(RUN_SETTINGS, _known(changes, RUN_SETTINGS), "the run")
    if run["batch_size"] < 1 or run["workers"] < 0:
        raise InputError(f"batch_size = {run['batch_size']} must be at least 1, workers = {run['workers']} at least 0")
    model_settings = override(MODEL_SETTINGS, _known(changes, MODEL_SETTINGS), "the model")
    shared = _deviations({**RUN_SETTINGS, **MODEL_SETTINGS}, {**run, **model_settings})
    jobs = tuple(_job(card, used, data or _default_data(card, spec), changes, shared) for card, used in chosen)
    return Plan(spec, jobs, run, model_settings)


def asked_settings(plan: Plan) -> dict[str, Any]:
    """The model's settings that the user gave, so that a card's own hold for the others."""
    from dinobench.models.loading.spec import MODEL_SETTINGS

    return {key: value for key, value in plan.model_settings.items() if value != MODEL_SETTINGS[key]}


def _job(card: TaskCard, protocol: Protocol, data: str, changes: Mapping[str, Any], shared: Mapping[str, Any]) -> Job:
    defaults = _defaults(card, protocol)
    settings = override(defaults, _known(changes, defaults), f"{card.name}@{protocol.name}")
    overridden = tuple(key for key, value in protocol.settings.items() if value != settings[key])
    return Job(card, protocol, data, settings, overridden, {**shared, **_deviations(defaults, settings)})


def _deviations(defaults: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in chosen.items() if key not in _HARMLESS and value != defaults[key]}


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
    from dinobench.models.loading.spec import training_data

    if (trained_on := training_data(model)) is not None and card.layout == "imagefolder":
        return trained_on
    return card.dataset if os.environ.get("DINOBENCH_DATA") else "mini"
