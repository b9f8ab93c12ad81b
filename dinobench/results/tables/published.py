"""Published figures as they were printed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path

from dinobench.results.tables.specs import TableSpec
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe


def read_published(path: Path) -> list[dict[str, str]]:
    """Rows of a published CSV as dicts of text.

    Raises:
        InputError: the file cannot be read, or a row has more or fewer values than the heading.
    """
    refuse_pipe(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return list(_rows_of(csv.DictReader(stream), path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the published figures in {path}: {error}") from error


def _rows_of(reader: csv.DictReader[str], path: Path) -> Iterator[dict[str, str]]:
    for row in reader:
        if None in row or None in row.values():
            columns = ", ".join(reader.fieldnames or ())
            raise InputError(f"{path}, line {reader.line_num}: give one value for each of the columns {columns}")
        yield {name: value for name, value in row.items() if name}


def published_rows(spec: TableSpec) -> list[dict[str, str]]:
    """The rows of a table, whose columns and figures are as its card says.

    Raises:
        InputError: a column of the card that the CSV has not, or a figure that is not a number.
    """
    rows = read_published(spec.path)
    named = [text.name for text in spec.text] + [figure.name for figure in spec.figures] + [spec.group]
    if absent := [name for name in named if name and rows and name not in rows[0]]:
        raise InputError(
            f"the card of table {spec.name} names column {absent[0]}, and {spec.path} has {', '.join(rows[0])}; "
            "mend one of them"
        )
    for number, values in enumerate(rows, start=1):
        for figure in spec.figures:
            _check_figure(values, figure.name, f"{spec.path}, row {number}")
    return rows


def _check_figure(values: Mapping[str, str], column: str, place: str) -> None:
    text = values[column]
    try:
        sound = not text or isfinite(float(text))
    except ValueError:
        sound = False
    if not sound:
        raise InputError(f"{place}: {column} is {text!r:.40}; give a number, or leave it empty")
