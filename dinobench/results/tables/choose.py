"""Some rows and figures of a table."""

from __future__ import annotations

import fnmatch
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


def _split_patterns(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _choose_rows(table: Table, patterns: list[str]) -> Table:
    if not patterns:
        return table
    named = [place for place, column in enumerate(table.columns) if column.is_text]
    ours = [place for place, column in enumerate(table.columns) if column.heading == OURS]

    def kept(row: tuple[str, ...]) -> bool:
        if OURS_ALONE in patterns and any(row[place] != MISSING for place in ours):
            return True
        names = [row[place].partition(" [")[0] for place in named]
        return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)

    sections = ((name, tuple(row for row in rows if kept(row))) for name, rows in table.sections)
    return _with_its_notes(replace(table, sections=tuple((name, rows) for name, rows in sections if rows)))


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
