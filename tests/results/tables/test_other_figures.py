"""Figures of model cards that stand in no table of a paper."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dinobench.cards import load_models, load_tasks
from dinobench.results.tables import tables
from dinobench.results.tables.other_figures import other_figures
from tests.results.factory import make_record

MODELS, TASKS = load_models(), load_tasks()


def test_every_figure_of_every_card_has_a_row(tmp_path: Path) -> None:
    count = sum(len(card.figures) for card in MODELS.values())
    rows = list(csv.DictReader(io.StringIO(tables("other", "csv", tmp_path))))
    assert len(rows) == count > 140
    assert {row["Model"] for row in rows} == {name for name, card in MODELS.items() if card.figures}
    assert tables("other", "markdown", tmp_path).count("\n| ") > count
    assert r"\begin{longtable}" in tables("other", "latex", tmp_path)


def test_each_figure_with_a_protocol_is_measured_by_a_task_that_has_it() -> None:
    by_name = {name: task for task in TASKS.values() for name in task.figures}
    for card in MODELS.values():
        for name, figure in card.figures.items():
            if figure.protocol and name != "imagenet_top1":  # of the classifier that came with the network
                assert figure.protocol in by_name[name].protocols, (card.name, name)


def test_a_record_by_the_figures_own_protocol_stands_beside_it() -> None:
    card = MODELS["barlowtwins_rn50"]
    figure = card.figures["imagenet_linear_top1"]
    own = {"name": card.name, "card": card.name, "sha256": "ab" * 32}
    released = {"name": figure.protocol, "version": 1, "hash": "0" * 16}
    made = make_record(task="linear", model=own, protocol=released, metrics={"top1_best": figure.value})
    table = other_figures([made], TASKS, {card.name: card}, verdicts=True)
    ((_, rows),) = table.sections
    assert rows[0][-1] == f"{figure.value:g} equals the published figure"
    other = make_record(task="linear", model=own, metrics={"top1_best": figure.value})  # by another protocol
    assert "ours" not in other_figures([other], TASKS, {card.name: card}).headings
    rehearsed = make_record(task="linear", model=own, protocol=released, metrics={"top1_best": 1.0}, rehearsal=True)
    assert "ours" not in other_figures([rehearsed], TASKS, {card.name: card}).headings
