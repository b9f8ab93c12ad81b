"""A table in LaTeX that fits the page: numbers aligned at the point, groups with rules, panels where it is too wide."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dinobench.results.tables.build import DIFFERENCE, MINUS, MISSING, OURS, Table
from dinobench.results.tables.latex_columns import (
    FIRST_CODE_POINT,
    LONG_WORD,
    NUMBER,
    PIECE,
    SEPARATOR,
    LatexColumn,
    figure_runs,
    figure_value,
    interval_bounds,
    make_panels,
    shared_out,
    subheading,
)

PACKAGES = ("array", "booktabs", "longtable", "siunitx")
TEXT_WIDTH = 345.0
"""Of the article class at 10 pt, in pt."""

_RESERVE = 4.0  # pt, for rounding
_LONG = 40  # rows that still fit a page with caption and notes
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    DIFFERENCE: r"$\Delta$",
    MISSING: "--",
    MINUS: "$-$",
}


def to_latex(table: Table, width: float = TEXT_WIDTH, *, intervals: bool = False, bold: bool = False) -> str:
    r"""A `table`, or `longtable`s for many rows, for \usepackage{array,booktabs,longtable,siunitx}.

    A table that is wider than the page becomes several panels, each with the columns that name the row.
    Characters that pdflatex lacks are written as their code point, such as U+4E2D.

    Args:
        table: to print.
        width: of the text in pt.
        intervals: whether our 95% intervals get columns of their own; else they are left out.
        bold: whether the best published and own figure of each column is bold.
    """
    columns = [LatexColumn.of(table, place, intervals) for place in range(len(table.columns))]
    best = _best_cells(table) if bold else set()
    rows = sum(len(section) for _, section in table.sections)
    caption = f"{table.caption}, after {table.title} of {table.source}"
    panels = list(make_panels(columns, width - _RESERVE))
    environment = _long_panel if rows > _LONG else _short_panel
    lines = [rf"% needs \usepackage{{{','.join(PACKAGES)}}}; made for a text width of {width:g} pt"]
    for number, panel in enumerate(panels):
        part = f", part {number + 1} of {len(panels)}" if len(panels) > 1 else ""
        notes = table.notes if number == len(panels) - 1 else ()
        lines += environment(escape(caption + part), _Panel(table, panel, best, width - _RESERVE), notes)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Panel:
    """Some columns of a table: those of text, and as many figures as fit."""

    table: Table
    columns: Sequence[LatexColumn]
    best: set[tuple[str, int, int]]
    width: float

    def specification(self) -> str:
        """Argument of the tabular: text wraps in what the figures leave."""
        text = [each for each in self.columns if each.column.is_text]
        left = self.width - sum(each.total for each in self.columns if not each.column.is_text)
        shared = shared_out(text, left - 2 * SEPARATOR * len(text))
        widths = dict(zip((each.place for each in text), shared, strict=True))
        parts = []
        for each in self.columns:
            if each.number is None:
                parts.append(rf">{{\raggedright\arraybackslash}}p{{{widths[each.place]:.1f}pt}}")
                continue
            size = each.width - (each.bounds + 2 * SEPARATOR if each.bounds else 0.0)
            parts.append(f"S[table-format={each.number},table-column-width={size:.1f}pt]")
            parts += [rf">{{\centering\arraybackslash}}p{{{each.bounds:.1f}pt}}"] if each.bounds else []
        return f"@{{}}{''.join(parts)}@{{}}"

    def head(self) -> list[str]:
        """Group headings with rules where a figure has columns of ours, then the headings."""
        groups, rules, names, place = [], [], [], 1
        grouped = any(each.column.heading in (OURS, DIFFERENCE) for each in self.columns)
        for figure, members in figure_runs(self.columns):
            span = sum(2 if each.bounds else 1 for each in members)
            if len(members) > 1:
                groups.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(figure)}}}")
                rules.append(rf"\cmidrule(lr){{{place}-{place + span - 1}}}")
                names += [name for each in members for name in _subheading_cells(each)]
            else:
                groups.append("")
                names.append(self._single_heading(members[0]))
            place += span
        lines = [" & ".join(groups) + r" \\", " ".join(rules)] if grouped else []
        return [*lines, " & ".join(names) + r" \\"]

    def _single_heading(self, each: LatexColumn) -> str:
        heading = escape(each.column.heading)
        if each.column.is_text:
            return heading
        room = f"{each.width:.1f}pt"
        return rf"\multicolumn{{1}}{{>{{\centering\arraybackslash}}p{{{room}}}}}{{\hspace{{0pt}}{heading}}}"

    def body(self) -> Iterator[str]:
        """Rows, each section under its title."""
        span = sum(2 if each.bounds else 1 for each in self.columns)
        for name, rows in self.table.sections:
            yield r"\midrule"
            if name:
                yield rf"\multicolumn{{{span}}}{{@{{}}l}}{{\emph{{{escape(name)}}}}} \\"
            for number, row in enumerate(rows):
                cells = [cell for each in self.columns for cell in self._row_cells(each, row, (name, number))]
                yield " & ".join(cells) + r" \\"

    def _row_cells(self, each: LatexColumn, row: tuple[str, ...], where: tuple[str, int]) -> list[str]:
        cell = row[each.place]
        if each.column.is_text:
            return [f"{{{escape(cell)}}}"]
        value = figure_value(cell)
        if not NUMBER.match(value):
            printed = f"{{{escape(value)}}}"
        else:
            printed = value.replace(MINUS, "-")
            if (*where, each.place) in self.best:
                printed = rf"\bfseries {printed}"
        return [printed, *([f"{{{escape(interval_bounds(cell))}}}"] if each.bounds else [])]


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands; long words may break behind every fourth letter."""
    return "".join(_escaped_word(word) for word in re.split(r"(\s+)", text))


def _escaped_word(word: str) -> str:
    parts = [_escape_character(character) for character in word]
    if len(word) <= LONG_WORD:
        return "".join(parts)
    return r"\allowbreak{}".join("".join(parts[start : start + PIECE]) for start in range(0, len(parts), PIECE))


def _escape_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isspace():
        return " "
    known = unicodedata.normalize("NFC", character)
    if known.isascii() and known.isprintable():
        return known
    if 0xC0 <= ord(known[0]) < FIRST_CODE_POINT and known.isalpha():  # accents
        return known
    return rf"U+{ord(character):04X}\allowbreak{{}}"


def _short_panel(caption: str, panel: _Panel, notes: Sequence[str]) -> list[str]:
    return [
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{SEPARATOR}pt}}\sisetup{{detect-all}}",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{{panel.specification()}}}",
        r"\toprule",
        *panel.head(),
        *panel.body(),
        r"\bottomrule",
        r"\end{tabular}",
        *_note_lines(notes, panel.width),
        r"\end{table}",
    ]


def _long_panel(caption: str, panel: _Panel, notes: Sequence[str]) -> list[str]:
    head = [r"\toprule", *panel.head(), r"\endhead"]
    return [
        r"{\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{SEPARATOR}pt}}\sisetup{{detect-all}}",
        rf"\begin{{longtable}}{{{panel.specification()}}}",
        rf"\caption{{{caption}}} \\",
        *head,
        *panel.body(),
        r"\bottomrule",
        r"\end{longtable}",
        *_note_lines(notes, panel.width),
        "}",
    ]


def _note_lines(notes: Sequence[str], width: float) -> list[str]:
    if not notes:
        return []
    lines = [rf"{escape(note)}\par" for note in notes]
    if len(notes) > _LONG // 2:
        return [r"\begingroup\scriptsize\raggedright", *lines, r"\endgroup"]
    return [rf"\par\smallskip\noindent\parbox{{{width:g}pt}}{{\scriptsize\raggedright", *lines, "}"]


def _subheading_cells(each: LatexColumn) -> list[str]:
    head = rf"\multicolumn{{1}}{{c}}{{{escape(subheading(each.column))}}}"
    return [head, r"\multicolumn{1}{c}{95\%}"] if each.bounds else [head]


def _best_cells(table: Table) -> set[tuple[str, int, int]]:
    """(section, row, column) of the best figure of each published column and ours taken together."""
    best: set[tuple[str, int, int]] = set()
    figures = {column.figure: column.best for column in table.columns if column.best and not column.is_text}
    for figure, direction in figures.items():
        places = [p for p, each in enumerate(table.columns) if each.figure == figure and each.heading != DIFFERENCE]
        found = [
            (float(value.replace(MINUS, "-")), (name, number, place))
            for name, rows in table.sections
            for number, row in enumerate(rows)
            for place in places
            if NUMBER.match(value := figure_value(row[place]))
        ]
        if found:
            chosen = (max if direction == "max" else min)(value for value, _ in found)
            best |= {where for value, where in found if value == chosen}
    return best
