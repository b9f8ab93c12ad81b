"""Cards: benchmarks (tasks/*.toml) and published models (reference_models/*.toml) as frozen, validated dataclasses.

A card is data: a new benchmark on a known layout, or a new model of a known family, is one TOML file. Cards come from
the package, then from ./tasks and ./reference_models of the working directory, then from --tasks-dir and --models-dir;
a later card of the same name replaces an earlier one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinobench.runtime.card_tables import build, table_in, tables_in
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_toml
from dinobench.runtime.names import safe_name
from dinobench.runtime.plugins import settings_of
from dinobench.runtime.settings import hashed_form, refuse_unknown, resolve
from dinobench.runtime.suggest import unknown

CODE_SETTING = "family_file"
"""Names a Python file: the one setting that a card may not state."""


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
        hub_dataset: the data set's name on the Hugging Face Hub, where it has one.
        file: the card's own file.
        note: one line where this card replaces a built-in one of its name.
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
    hub_dataset: str = ""
    file: str = ""
    note: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it is no card of the package."""
        return Path(self.file).parent.resolve() != packaged("tasks").resolve()

    @property
    def settings_type(self) -> type:
        """What the evaluator's settings are."""
        return settings_of(self.evaluator)

    def differences(self, images: Mapping[str, int], classes: Iterable[int]) -> list[str]:
        """What sets data apart from the benchmark's: other counts of images by split, or of classes (0 for none)."""
        lines = [
            f"{images[split]} {split} images where the benchmark has {expected}"
            for split, expected in self.images.items()
            if images.get(split, expected) != expected
        ]
        other = {count for count in classes if self.classes} - {0, self.classes}
        return lines + ([f"{max(other)} classes where the benchmark has {self.classes}"] if other else [])

    def protocol(self, name: str | None = None) -> Protocol:
        """The protocol called `name`, by default the card's own choice."""
        wanted = name or self.default_protocol
        if wanted not in self.protocols:
            raise unknown(f"protocol of task {self.name}", wanted, self.protocols)
        return self.protocols[wanted]

    def published_protocol(self, group: str) -> str:
        """The protocol of the figures of a table's group, such as table3; "" where the group is no table."""
        found = [cell.protocol for cell in self.cells if group == _group_of(cell.table)]
        return next(iter(found), "")


def _group_of(table: str) -> str:
    return table if table.startswith("figure") else f"table{table}"


@dataclass(frozen=True)
class Row:
    """A published row that a model fills.

    Attributes:
        table: its number.
        key: the values that single the row out.
        protocols: by which the row was measured, by task; the task card says so where it is silent.
    """

    table: str
    key: Mapping[str, str]
    protocols: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A published figure outside the paper's tables, in percent.

    Attributes:
        source: where it stands.
        protocol: of the task, by which it was measured as far as images and features go; "" for one that no task has.
    """

    value: float
    source: str
    protocol: str = ""


@dataclass(frozen=True)
class ModelCard:
    """One published model.

    Attributes:
        weights: an address, "not released", "random:ARCHITECTURE", or a path from the card's folder.
        because: why the weights are not to be had, where they are not.
        sha256: digest of the published file or its first digits (as torch.hub names carry), empty where none is known.
        by_hand: whether the weights cannot be fetched or opened as they are released; `because` says what to do.
        recipe: trains such a network where no weights are released: of `dinobench train`, or TASK@PROTOCOL of a
            supervised training.
        figures: published figures outside the paper's tables, by name.
        settings: of the model.
        released_settings: how the source measures: settings of the model ("model") and of evaluators, by name.
        file: the card's own file.
        note: one line where this card replaces a built-in one of its name.
    """

    name: str
    title: str
    method: str
    architecture: str
    family: str
    source: str
    license: str
    weights: str
    because: str = ""
    sha256: str = ""
    by_hand: bool = False
    recipe: str = ""
    rows: tuple[Row, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    released_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file: str = ""
    note: str = ""

    @property
    def local(self) -> bool:
        """Whether the weights are a path on this disk."""
        return self.released and not self.random and "://" not in self.weights

    @property
    def released(self) -> bool:
        """Whether anyone can download the weights."""
        return self.weights != "not released"

    @property
    def random(self) -> bool:
        """Whether the weights are drawn at random, so that there is nothing to download."""
        return self.weights.startswith("random:")


def load_tasks(extra: Path | str | None = None) -> dict[str, TaskCard]:
    """All task cards by name, in alphabetical order."""
    return {name: _task_card(name, raw, path) for name, (raw, path) in _read_all("tasks", extra).items()}


def load_models(extra: Path | str | None = None) -> dict[str, ModelCard]:
    """All model cards by name, in alphabetical order."""
    cards = {name: _model_card(name, raw, path) for name, (raw, path) in _read_all("reference_models", extra).items()}
    return {
        name: dataclasses.replace(card, note=_replaced_line("reference_models", name, card.file))
        for name, card in cards.items()
    }


def packaged(folder: str) -> Path:
    """A folder of cards or published figures: inside an installed package, or at the root of a checkout."""
    installed = Path(__file__).parent / "_cards" / Path(folder).name
    return installed if installed.is_dir() else Path(__file__).parents[1] / folder


def _read_all(folder: str, extra: Path | str | None) -> dict[str, tuple[dict[str, Any], Path]]:
    own = None if extra is None else Path(extra)
    if own is not None and not own.is_dir():
        raise InputError(f"no folder of cards at {own}; give an existing folder of TOML files")
    found: dict[str, tuple[dict[str, Any], Path]] = {}
    for place in (packaged(folder), Path(folder), own):
        for path in sorted(place.glob("*.toml")) if place else ():
            raw = _read_card_file(path)
            found[_checked_name(path.stem, raw, f"card {path}")] = raw, path
    return dict(sorted(found.items()))


def _replaced_line(folder: str, name: str, file: str) -> str:
    """A line where a card stands in the place of a built-in one that says something else; empty where it does not."""
    built_in = packaged(folder) / f"{name}.toml"
    if not built_in.is_file() or Path(file).read_bytes() == built_in.read_bytes():
        return ""
    return f"card {file} replaces the built-in card {name}"


def _read_card_file(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except InputError as error:
        raise InputError(f"card {error}") from error


def _checked_name(name: str, raw: Mapping[str, Any], where: str) -> str:
    """The name of a card is its file's, that of a protocol its table's: neither states what is filled in here."""
    if filled := {"name", "file", "note"} & raw.keys():
        raise InputError(f"{where} states {min(filled)}, which follows from its place; remove it")
    return safe_name(name, where)


def _task_card(name: str, raw: dict[str, Any], path: Path) -> TaskCard:
    if "options" in raw:
        raise InputError(f"card {path} has [options]; they are settings: state them in [protocols.NAME.settings]")
    values = {"name": name, "file": str(path), "note": _replaced_line("tasks", name, str(path)), **raw}
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
    return build(Protocol, {"name": _checked_name(name, raw, where), **raw, "settings": settings or {}}, path)


def _model_card(name: str, raw: dict[str, Any], path: Path) -> ModelCard:
    raw["rows"] = tuple(_build_row(row, path) for row in tables_in(raw, "rows", path))
    if CODE_SETTING in table_in(raw, "settings", path):
        raise InputError(
            f"card {path} names {CODE_SETTING}; a card is data: give the file by --set {CODE_SETTING}=FILE"
        )
    return dataclasses.replace(build(ModelCard, {"name": name, **raw}, path), file=str(path))


def _build_row(raw: dict[str, Any], path: Path) -> Row:
    protocols = table_in(raw, "protocols", path)
    raw.pop("protocols", None)
    return build(Row, {"table": raw.pop("table", None), "key": raw, "protocols": protocols}, path)
