"""The matrix of a published table: which model and task fill which cell, and what is there already."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dinobench.cards import ModelCard, Protocol, TaskCard
from dinobench.models.loading.opened_once import opened_once
from dinobench.pipeline.data_specs import data_by_task
from dinobench.pipeline.plan import default_data
from dinobench.results.records import RunRecord
from dinobench.results.tables.cells import TableCell
from dinobench.runtime.errors import InputError
from dinobench.runtime.shorter_runs import PARTS

State = Literal["done", "to run", "to fetch", "by hand", "to train", "no way"]


@dataclass(frozen=True)
class MatrixJob:
    """One model and task that fill cells.

    Attributes:
        state: what it takes to run it.
        advice: one line where it cannot run as things are.
    """

    model: str
    task: str
    protocol: str
    state: State
    advice: str = ""

    @property
    def name(self) -> str:
        """TASK@PROTOCOL."""
        return f"{self.task}@{self.protocol}"


def matrix_jobs(
    cells: Iterable[TableCell],
    tasks: Mapping[str, TaskCard],
    models: Mapping[str, ModelCard],
    records: Iterable[RunRecord],
    patterns: str = "",
    data: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[MatrixJob]:
    """Every (model, task) that fills a cell once: those of one model together, so that they share features.

    Args:
        cells: of `table_cells`.
        tasks: by name.
        models: by name.
        records: what was measured before.
        patterns: models to take, such as "dino_*,ibot_*"; "" for all.
        data: as for eval; a record of other data does not count as done.
        settings: of the user; likewise a record of others.

    Raises:
        InputError: no model fits the patterns.
    """
    wanted = {(cell.model, cell.task, cell.protocol): None for cell in cells if cell.model and cell.task}
    chosen = [key for key in wanted if _fits_patterns(key[0], patterns)]
    if wanted and not chosen:
        raise InputError(f"no model of these tables fits {patterns!r}; `dinobench models` lists them")
    done = {
        (record.model.card, record.task, record.protocol.hash, record.data.spec)
        for record in records
        if _is_sound(record, settings or {})
    }
    used = {model: {task for owner, task, _ in chosen if owner == model} for model, _, _ in chosen}
    specs = {model: _data_of(model, [tasks[task] for task in names], data) for model, names in used.items()}
    jobs = []
    for model, task, name in chosen:
        protocol = tasks[task].protocol(name)
        key = (model, task, protocol.hash, specs[model].get(task, ""))
        jobs.append(_build_job(models[model], protocol, task, key in done))
    return sorted(jobs, key=lambda job: job.model)


def rehearsal_states(jobs: Iterable[MatrixJob], records: Iterable[RunRecord]) -> list[MatrixJob]:
    """The jobs of a rehearsal: done where a record of one stands, else as the weights are to be had."""
    done = {(each.model.card, each.task, each.protocol.name) for each in records if each.rehearsal and not each.failed}
    return [
        replace(job, state="done", advice="") if (job.model, job.task, job.protocol) in done else job for job in jobs
    ]


@opened_once()
def _data_of(model: str, cards: Sequence[TaskCard], data: str | None) -> dict[str, str]:
    """The data SPEC that each task of a model would read; none where the folders are not there."""
    try:
        given = data_by_task(data, cards)
        return {card.name: given.get(card.name) or default_data(card, model) for card in cards}
    except InputError:
        return {}  # which the run itself says


def _is_sound(record: RunRecord, settings: Mapping[str, Any]) -> bool:
    """Whether a record is of a real run that ended well, with these settings and no others."""
    if record.failed or record.rehearsal or not set(record.deviations) <= {*settings, *PARTS}:
        return False
    asked, made = (
        {name: source[name] for name in settings if name in record.settings} for source in (settings, record.settings)
    )
    return json.dumps(asked, sort_keys=True) == json.dumps(made, sort_keys=True)


def rowless_models(cells: Iterable[TableCell], models: Mapping[str, ModelCard], patterns: str) -> list[str]:
    """Models without a row in these tables that are asked for: by whole name, or a user's own that fits a pattern."""
    owners = {cell.model for cell in cells}
    asked = _split(patterns)
    idle = [part for part in asked if not any(fnmatch.fnmatch(owner, part) for owner in owners)]
    own = (name for name, card in models.items() if card.own)
    fitting = {name for name in own if any(fnmatch.fnmatch(name, part) for part in idle)}
    return [name for name in models if name in fitting or name in idle]


def _fits_patterns(model: str, patterns: str) -> bool:
    parts = _split(patterns)
    return not parts or any(fnmatch.fnmatch(model, part) for part in parts)


def _split(patterns: str) -> list[str]:
    return [part.strip() for part in patterns.split(",") if part.strip()]


def _build_job(card: ModelCard, protocol: Protocol, task: str, done: bool) -> MatrixJob:
    if done:
        return MatrixJob(card.name, task, protocol.name, "done")
    return MatrixJob(card.name, task, protocol.name, *way_of(card))


def way_of(card: ModelCard) -> tuple[State, str]:
    """How to come by the weights of a card, and one line where they are not here."""
    if card.random or (card.local and (Path(card.file).parent / card.weights).exists()):
        return "to run", ""
    if card.local and card.recipe:
        return "to train", f"no weights at {card.weights}: recipe {card.recipe} trains them ({training_command(card)})"
    if card.local:
        return "no way", f"no weights at {card.weights}; mend `weights` in {card.file}, or put the file there"
    if not card.released and card.recipe:
        return "to train", f"no weights: recipe {card.recipe} trains them ({training_command(card)})"
    if not card.released:
        return "no way", f"no weights are released: {card.because}"
    from dinobench.models.loading.download import cached_weights

    if cached_weights(card.name, card.weights) is not None:
        return "to run", ""
    if card.by_hand:
        return "by hand", card.because
    return "to fetch", f"dinobench models fetch {card.name}"


def training_command(card: ModelCard) -> str:
    """The command that trains a card's network: by a recipe, or by a supervised task from drawn weights."""
    if "@" in card.recipe:
        return f"dinobench eval --task {card.recipe} --model random:{card.architecture}"
    output = f" --output {card.weights}" if card.local else ""
    return f"dinobench train --recipe {card.recipe}{output}"
