"""Table cards: which published CSV makes which table, and how its columns are headed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec

from dinobench.cards import packaged
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_toml
from dinobench.runtime.names import safe_name
from dinobench.runtime.suggest import unknown

OTHER = "other"
"""Name of the table of the figures of model cards, which has no card of its own."""
FOLDER = "tables"
"""Of the working directory, where a user's own tables lie: a card and its CSV each."""


@dataclass(frozen=True)
class TextColumn:
    """A column that names the row."""

    name: str
    heading: str


@dataclass(frozen=True)
class FigureColumn:
    """A column of figures, printed with `decimals` digits as the paper does; `best` is "max", "min" or ""."""

    name: str
    heading: str
    decimals: int = 1
    best: Literal["max", "min", ""] = "max"


@dataclass(frozen=True)
class TableSpec:
    """A published table.

    Attributes:
        title: its name in the paper, such as "Table 2".
        source: the paper.
        csv: file of the published rows, beside the card.
        text: columns that name the row.
        figures: columns of figures.
        group: column whose equal values put rows under one heading; "" for none.
        all: whether it is among the tables of `--table all`.
        note: a remark on published figures, below the footnotes.
        name: such as "2" or "figure4": the card's file name without "table".
        path: of the CSV.
    """

    title: str
    caption: str
    csv: str
    text: tuple[TextColumn, ...]
    figures: tuple[FigureColumn, ...]
    source: str = ""
    group: str = ""
    all: bool = False
    note: str = ""
    name: str = ""
    path: Path = field(default=Path())


def load_tables(extra: Path | str | None = None) -> Mapping[str, TableSpec]:
    """All tables by name: the package's, then those of ./tables, then those of `extra`; a later one replaces.

    Raises:
        InputError: a card that is not a table, or whose CSV is not beside it.
    """
    found = {}
    for folder in (packaged("results/published"), Path(FOLDER), Path(extra) if extra else None):
        for path in sorted(folder.glob("*.toml")) if folder else ():
            spec = read_table(path)
            found[spec.name] = spec
    return dict(sorted(found.items(), key=lambda item: _sort_key(item[0])))


def read_table(path: Path) -> TableSpec:
    """The table of one card.

    Raises:
        InputError: not a table card; the message names the field.
    """
    try:
        spec = msgspec.convert(read_toml(path), TableSpec)
    except (InputError, msgspec.ValidationError) as error:
        raise InputError(f"table card {path} cannot be read: {error}") from error
    source = path.parent / safe_name(spec.csv, f"`csv` of table card {path}")
    if not source.is_file():
        raise InputError(f"table card {path} needs its rows in {source}; `csv` is the name of a file beside the card")
    return replace(spec, name=path.stem.removeprefix("table"), path=source)


def select_tables(name: str, extra: Path | str | None = None) -> list[TableSpec]:
    """The table called `name` ("2" or "table2"), or the paper's tables 2 to 9 for "all".

    Raises:
        InputError: no such table.
    """
    known = load_tables(extra)
    name = name.removeprefix("table")
    if name == "all":
        return [spec for spec in known.values() if spec.all]
    if name not in known:
        raise unknown("table", name, {*known, "all", OTHER})
    return [known[name]]


def _sort_key(name: str) -> tuple[int, str]:
    """Numbers in their order, then names."""
    return (int(name), "") if name.isdecimal() else (10**6, name)
