"""Some rows and figures of a table."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import replace

from dinobench.results.tables.build import MISSING, OURS, Table
from dinobench.runtime.errors import InputError

OURS_ALONE = "ours"


def choose(table: Table, rows: str = "", columns: str = "") -> Table:
    """The rows and figures that the patterns name; empty patterns keep all.

    Args:
        table: to choose from.
        rows: patterns such as "DINO*,my_run" on what names a row; "ours" keeps the rows with a figure of ours.
        columns: patterns on the headings of the figures, such as "k-NN,Linear".
    """
    return _choose_columns(_choose_rows(table, _split_patterns(rows)), _split_patterns(columns))


def refuse_unknown_rows(tables: Sequence[Table], rows: str) -> None:
    """Refuse a pattern that names no row of any of these tables: a slip, which else empties the table in silence.

    Raises:
        InputError: it names the pattern and the nearest rows.
    """
    names = {name for table in tables for _, body in table.sections for row in body for name in _names_of(table, row)}
    for pattern in _split_patterns(rows):
        if pattern != OURS_ALONE and not any(fnmatch.fnmatch(name, pattern) for name in names):
            by_small = {name.lower(): name for name in sorted(names)}
            near = [by_small[name] for name in difflib.get_close_matches(pattern.lower(), by_small)]
            hint = f"did you mean {' or '.join(near)}?" if near else f"rows are {', '.join(sorted(names))}"
            raise InputError(f"no row is named {pattern!r}; {hint}")


def _split_patterns(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _choose_rows(table: Table, patterns: list[str]) -> Table:
    if not patterns:
        return table
    ours = [place for place, column in enumerate(table.columns) if column.heading == OURS]

    def kept(row: tuple[str, ...]) -> bool:
        if OURS_ALONE in patterns and any(row[place] != MISSING for place in ours):
            return True
        return any(fnmatch.fnmatch(name, pattern) for name in _names_of(table, row) for pattern in patterns)

    sections = ((name, tuple(row for row in rows if kept(row))) for name, rows in table.sections)
    return _with_its_notes(replace(table, sections=tuple((name, rows) for name, rows in sections if rows)))


def _names_of(table: Table, row: tuple[str, ...]) -> list[str]:
    """The texts that name a row, without the marks of its notes."""
    return [row[place].partition(" [")[0] for place, column in enumerate(table.columns) if column.is_text]


def _choose_columns(table: Table, patterns: list[str]) -> Table:
    if not patterns:
        return table
    places = [
        place
        for place, column in enumerate(table.columns)
        if column.is_text or any(fnmatch.fnmatch(column.figure, pattern) for pattern in patterns)
    ]
    if all(table.columns[place].is_text for place in places):
        known = ", ".join(dict.fromkeys(column.figure for column in table.columns if not column.is_text))
        raise InputError(f"{table.title} has no column {','.join(patterns)}; it has {known}")
    sections = tuple(
        (name, tuple(tuple(row[place] for place in places) for row in rows)) for name, rows in table.sections
    )
    return replace(table, columns=tuple(table.columns[place] for place in places), sections=sections)


def _with_its_notes(table: Table) -> Table:
    text = "\n".join(cell for _, rows in table.sections for row in rows for cell in row)
    return replace(table, notes=tuple(note for note in table.notes if note.split(" ", 1)[0] in text))
