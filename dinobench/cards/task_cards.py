"""Benchmarks: what is measured, on which data, by which protocols."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinobench.cards.card_files import checked_name, is_own, load_cards, replaced_line
from dinobench.runtime.card_tables import build, table_in, tables_in
from dinobench.runtime.errors import InputError
from dinobench.runtime.names import safe_name
from dinobench.runtime.plugins import settings_of
from dinobench.runtime.settings import Count, hashed_form, refuse_unknown, resolve
from dinobench.runtime.suggest import unknown


@dataclass(frozen=True)
class Protocol:
    """A named, versioned way to run a task; every setting that can move the figure stands in it.

    Attributes:
        settings: an object of the evaluator's settings type: its defaults, with what the card states on top.
        comparable: whether its figure may stand beside the published one.
        because: why not, where it may not.
        sources: where a setting comes from, by its name: who stated it in which thread, or that it is inferred.
        by_card: whether the `released_settings` of the model's card stand above the protocol's.
    """

    name: str
    version: int
    summary: str
    settings: Any
    comparable: bool = True
    because: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    by_card: bool = False

    @property
    def hash(self) -> str:
        """Digest of name, version and settings: equal digests mean the same protocol."""
        content = json.dumps([self.name, self.version, hashed_form(self.settings)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Cell:
    """Where a task's metric stands in the paper.

    Attributes:
        table: number.
        column: of results/published.
        metric: of the record.
        row: values that single out the task's rows, where a model has several in the table.
        protocol: by which the published figure was measured; "" for the card's default.
    """

    table: str
    column: str
    metric: str
    row: Mapping[str, str] = field(default_factory=dict)
    protocol: str = ""


@dataclass(frozen=True)
class TaskCard:
    """One benchmark.

    Attributes:
        dataset: name of the data set, looked for under $DINOBENCH_DATA.
        layout: reader of that data set, a module of dinobench.data.layouts.
        images: how many images each split has in the published benchmark.
        classes: how many kinds of images it tells apart; 0 where it does not classify.
        usual_size: height and width in pixels of most of its images, for estimates where they are not here.
        pairs: how many pairs of images it has; 0 where it has none.
        hub_dataset: the data set's name on the Hugging Face Hub, where it has one.
        file: the card's own file.
        note: one line where this card replaces a built-in one of its name.
        figures: metric by the name of a figure that model cards state outside the paper's tables.
        digests: of the benchmark's data by split, as records show them; a card of one's own needs them before a figure
            counts as comparable, for anyone can copy a card's counts.
    """

    name: str
    title: str
    evaluator: str
    dataset: str
    layout: str
    main_metric: str
    source: str
    protocols: Mapping[str, Protocol]
    default_protocol: str
    groups: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    classes: int = 0
    usual_size: tuple[Count, Count] = (375, 500)
    pairs: int = 0
    hub_dataset: str = ""
    file: str = ""
    note: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it is not a card of the package."""
        return is_own("tasks", self.file)

    @property
    def settings_type(self) -> type:
        """What the evaluator's settings are."""
        return settings_of(self.evaluator)

    def differences(self, images: Mapping[str, int], classes: Iterable[int]) -> list[str]:
        """What sets data apart from the benchmark's: counts of images by split, of "pairs", of classes (0: none)."""
        lines = [
            f"{images[split]} {split} images where the benchmark has {expected}"
            for split, expected in self.images.items()
            if images.get(split, expected) != expected
        ]
        if self.pairs and images.get("pairs", self.pairs) != self.pairs:
            lines.append(f"{images['pairs']} pairs where the benchmark has {self.pairs}")
        other = {count for count in classes if self.classes} - {0, self.classes}
        return lines + ([f"{max(other)} classes where the benchmark has {self.classes}"] if other else [])

    def protocol(self, name: str | None = None) -> Protocol:
        """The protocol called `name`, by default the card's own choice."""
        wanted = name or self.default_protocol
        if wanted not in self.protocols:
            raise unknown(f"protocol of task {self.name}", wanted, self.protocols)
        return self.protocols[wanted]

    def cell_protocol(self, cell: Cell, row: Mapping[str, str]) -> str:
        """The protocol of a published figure: the one that the row's card names for this task, else the cell's own."""
        return row.get(self.name) or cell.protocol or self.default_protocol

    def published_protocol(self, group: str) -> str:
        """The protocol of the figures of a table's group, such as table3; "" where the group is not a table."""
        found = [cell.protocol for cell in self.cells if group == _group_of(cell.table)]
        return next(iter(found), "")


def _group_of(table: str) -> str:
    return table if table.startswith("figure") else f"table{table}"


def load_tasks(extra: Path | str | None = None) -> dict[str, TaskCard]:
    """All task cards by name, in alphabetical order."""
    return load_cards("tasks", extra, _task_card)


def _task_card(name: str, raw: dict[str, Any], path: Path) -> TaskCard:
    if "options" in raw:
        raise InputError(f"card {path} has [options]; they are settings: state them in [protocols.NAME.settings]")
    values = {"name": name, "file": str(path), "note": replaced_line("tasks", name, str(path)), **raw}
    kind = _settings_type(values.get("evaluator"), path)
    tables = table_in(raw, "protocols", path)
    values["protocols"] = {key: _build_protocol(key, table_in(tables, key, path), kind, path) for key in tables}
    values["cells"] = tuple(build(Cell, cell, path) for cell in tables_in(raw, "cells", path))
    card = build(TaskCard, values, path)
    safe_name(card.dataset, f"dataset of card {path}")
    if card.default_protocol not in card.protocols:
        raise InputError(f"card {path}: {unknown('default protocol', card.default_protocol, card.protocols)}")
    return card


def _settings_type(evaluator: object, path: Path) -> type | None:
    """The settings type that a card's evaluator declares; None where the card names none, which is refused later."""
    if evaluator is None:
        return None
    try:
        return settings_of(evaluator)
    except InputError as error:
        raise InputError(f"card {path}: {error}") from error


def _build_protocol(name: str, raw: dict[str, Any], kind: type | None, path: Path) -> Protocol:
    settings: Any = None
    where = f"protocol {name} of card {path}"
    if kind is not None:
        settings = resolve(kind, table_in(raw, "settings", path), where)
        refuse_unknown(table_in(raw, "sources", path), [kind], f"source of {where} for a setting")
    return build(Protocol, {"name": checked_name(name, raw, where), **raw, "settings": settings or {}}, path)
