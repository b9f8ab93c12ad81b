"""The matrix of a published table: which model and task fill which cell, and what is there already."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dinobench.cards import ModelCard, Protocol, TaskCard
from dinobench.models.loading.opened_once import opened_once
from dinobench.pipeline.data_specs import data_by_task
from dinobench.pipeline.plan import default_data
from dinobench.results.records import RunRecord
from dinobench.results.tables.cells import TableCell
from dinobench.runtime.errors import InputError

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
) -> list[MatrixJob]:
    """Every (model, task) that fills a cell once: those of one model together, so that they share features.

    Args:
        cells: of `table_cells`.
        tasks: by name.
        models: by name.
        records: what was measured before.
        patterns: models to take, such as "dino_*,ibot_*"; "" for all.
        data: as for eval; a record of other data does not count as done.

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
        if _is_sound(record)
    }
    used = {model: {task for owner, task, _ in chosen if owner == model} for model, _, _ in chosen}
    specs = {model: _data_of(model, [tasks[task] for task in names], data) for model, names in used.items()}
    jobs = []
    for model, task, name in chosen:
        protocol = tasks[task].protocol(name)
        key = (model, task, protocol.hash, specs[model].get(task, ""))
        jobs.append(_build_job(models[model], protocol, task, key in done))
    return sorted(jobs, key=lambda job: job.model)


@opened_once()
def _data_of(model: str, cards: Sequence[TaskCard], data: str | None) -> dict[str, str]:
    """The data SPEC that each task of a model would read; none where the folders are not there."""
    try:
        given = data_by_task(data, cards)
        return {card.name: given.get(card.name) or default_data(card, model) for card in cards}
    except InputError:
        return {}  # which the run itself says


def _is_sound(record: RunRecord) -> bool:
    return not record.failed and not record.deviations


def _fits_patterns(model: str, patterns: str) -> bool:
    parts = [part.strip() for part in patterns.split(",") if part.strip()]
    return not parts or any(fnmatch.fnmatch(model, part) for part in parts)


def _build_job(card: ModelCard, protocol: Protocol, task: str, done: bool) -> MatrixJob:
    if done:
        return MatrixJob(card.name, task, protocol.name, "done")
    return MatrixJob(card.name, task, protocol.name, *way_of(card))


def way_of(card: ModelCard) -> tuple[State, str]:
    """How to come by the weights of a card, and one line where they are not here."""
    if card.random or (card.local and (Path(card.file).parent / card.weights).exists()):
        return "to run", ""
    if card.local and card.recipe:
        return "to train", f"no weights at {card.weights}; {training_command(card)} trains them"
    if not card.released and card.recipe:
        return "to train", f"no weights are released; {training_command(card)} trains such a network"
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
