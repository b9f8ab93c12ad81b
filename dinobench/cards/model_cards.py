"""Published models: whose weights they are, where they come from and which rows they fill."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinobench.cards.card_files import is_own, load_cards, replaced_line
from dinobench.runtime.card_tables import build, table_in, tables_in
from dinobench.runtime.errors import InputError

CODE_SETTING = "family_file"
"""Names a Python file: the one setting that a card may not state."""


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
        key_layout: how the released file names tensors, where its family has several ways and this is not the first.
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
    key_layout: str = ""
    recipe: str = ""
    rows: tuple[Row, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    released_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file: str = ""
    note: str = ""

    @property
    def own(self) -> bool:
        """Whether it is not a card of the package."""
        return is_own("reference_models", self.file)

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


def load_models(extra: Path | str | None = None) -> dict[str, ModelCard]:
    """All model cards by name, in alphabetical order."""
    return load_cards("reference_models", extra, _model_card)


def _model_card(name: str, raw: dict[str, Any], path: Path) -> ModelCard:
    raw["rows"] = tuple(_build_row(row, path) for row in tables_in(raw, "rows", path))
    if CODE_SETTING in table_in(raw, "settings", path):
        raise InputError(
            f"card {path} names {CODE_SETTING}; a card is data: give the file by --set {CODE_SETTING}=FILE"
        )
    card = build(ModelCard, {"name": name, **raw}, path)
    return dataclasses.replace(card, file=str(path), note=replaced_line("reference_models", name, str(path)))


def _build_row(raw: dict[str, Any], path: Path) -> Row:
    protocols = table_in(raw, "protocols", path)
    raw.pop("protocols", None)
    for column, value in raw.items():
        if column != "table" and not isinstance(value, str):
            raise InputError(f"card {path}: {column} of a row is {value!r:.60}; give the text that the table's CSV has")
    return build(Row, {"table": raw.pop("table", None), "key": raw, "protocols": protocols}, path)
