"""How wide the columns of a LaTeX table are, and which stand together in a panel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dinobench.results.tables.build import DIFFERENCE, MINUS, MISSING, OURS, Table, TableColumn

LONG_WORD, PIECE = 12, 4
"""Longer words may break behind every PIECE letters."""
FIRST_CODE_POINT = 0x180
"""From here on characters are written as their code point, such as U+4E2D."""
SEPARATOR = 2.5
"""Half the gap between two columns, in pt."""
INTERVAL = re.compile(r"^(\S+) \((\S+) to (\S+)\)$")
NUMBER = re.compile(rf"^[{MINUS}+]?\d+(\.\d+)?$")

# Widths in pt at \footnotesize: a digit, a sign, reserve; a narrow and a wide letter; text that need not be wider.
_DIGIT, _SIGN, _PADDING = 4.3, 7.0, 2.0
_LETTER, _WIDE_LETTER, _WIDEST = 4.6, 7.6, 90.0


@dataclass(frozen=True)
class _NumberFormat:
    """Digits before and behind the point, and whether a sign stands before them."""

    whole: int
    decimals: int
    signed: bool

    @classmethod
    def of(cls, cells: Sequence[str]) -> _NumberFormat:
        values = [value for cell in cells if NUMBER.match(value := figure_value(cell))] or ["0"]
        parts = [value.lstrip(f"{MINUS}+").partition(".") for value in values]
        signed = any(value[0] in f"{MINUS}+" for value in values)
        return cls(max(len(whole) for whole, _, _ in parts), max(len(rest) for _, _, rest in parts), signed)

    @property
    def width(self) -> float:
        """In pt."""
        letters = self.whole + self.decimals + bool(self.decimals)
        return letters * _DIGIT + self.signed * _SIGN + _PADDING

    def __str__(self) -> str:
        return f"{'+' if self.signed else ''}{self.whole}.{self.decimals}"


@dataclass(frozen=True)
class LatexColumn:
    """A column with what it takes to print it.

    Attributes:
        width: in pt; of text, the natural one.
        number: of figures.
        bounds: width of the column of intervals beside it; 0 for none.
        least: of text, the width of its longest word.
    """

    place: int
    column: TableColumn
    width: float
    number: _NumberFormat | None = None
    bounds: float = 0.0
    least: float = 0.0

    @classmethod
    def of(cls, table: Table, place: int, intervals: bool) -> LatexColumn:
        """Measure one column; with `intervals`, ours gets a column of intervals beside it."""
        column = table.columns[place]
        cells = [row[place] for _, rows in table.sections for row in rows]
        if column.is_text:
            texts = (*cells, column.heading)
            return cls(place, column, max(map(_text_width, texts)), least=max(map(_longest_word, texts)))
        number = _NumberFormat.of(cells)
        single = sum(other.figure == column.figure for other in table.columns) == 1
        heading = _longest_word(column.heading) if single else _text_width(subheading(column))
        width = max(number.width, heading)
        found = [interval_bounds(cell) for cell in cells if INTERVAL.match(cell)]
        if intervals and column.heading == OURS and found:
            bounds = max(map(_text_width, found))
            return cls(place, column, width + bounds + 2 * SEPARATOR, number, bounds)
        return cls(place, column, width, number)

    @property
    def total(self) -> float:
        """With the gaps beside it."""
        return self.width + 2 * SEPARATOR


def subheading(column: TableColumn) -> str:
    """Heading below the figure's: paper, ours or the difference."""
    return column.heading if column.heading in (OURS, DIFFERENCE) else "paper"


def _text_width(text: str) -> float:
    """About its width in pt, rather more than less."""
    return sum(map(_letter_width, text))


def _letter_width(character: str) -> float:
    if character.islower() or character.isdecimal() or character in " .,-/()[]'":
        return _LETTER
    if ord(character) < FIRST_CODE_POINT or character in (DIFFERENCE, MINUS, MISSING):
        return _WIDE_LETTER
    return len("U+0000") * _WIDE_LETTER


def _longest_word(text: str) -> float:
    """Width of what LaTeX keeps on one line: a word, a piece of a long one, or a code point."""
    words = [word if len(word) <= LONG_WORD else word[:PIECE] for word in text.split()]
    codes = [_letter_width(character) for character in text]
    return max([*(sum(min(_letter_width(c), _WIDE_LETTER) for c in word) for word in words), *codes], default=0.0)


def shared_out(text: Sequence[LatexColumn], room: float) -> list[float]:
    """Widths of text columns: the natural ones where they fit, else the wide ones shrink to their longest word."""
    natural = [each.width for each in text]
    spare = sum(natural) - room
    give = [each.width - each.least for each in text]
    if spare <= 0 or sum(give) == 0:
        return natural
    share = min(1.0, spare / sum(give))
    return [width - share * part for width, part in zip(natural, give, strict=True)]


def make_panels(columns: Sequence[LatexColumn], width: float) -> Iterator[list[LatexColumn]]:
    """The text columns with as many whole figures as fit beside them, until every figure stood once."""
    text = [each for each in columns if each.column.is_text]
    least = sum(min(each.width, max(each.least, _WIDEST)) + 2 * SEPARATOR for each in text)
    chosen: list[LatexColumn] = []
    used = least
    for figure, members in figure_runs(columns):
        if not figure:
            continue
        needed = sum(each.total for each in members)
        if chosen and used + needed > width:
            yield [*text, *chosen]
            chosen, used = [], least
        chosen += members
        used += needed
    yield [*text, *chosen]


def figure_runs(columns: Sequence[LatexColumn]) -> Iterator[tuple[str, list[LatexColumn]]]:
    """Columns of one figure together; each text column alone, under no figure."""
    members: list[LatexColumn] = []
    for each in columns:
        if members and (each.column.is_text or each.column.figure != members[0].column.figure):
            yield members[0].column.figure, members
            members = []
        members.append(each)
        if each.column.is_text:
            yield "", members
            members = []
    if members:
        yield members[0].column.figure, members


def figure_value(cell: str) -> str:
    """The figure of a cell, without its interval."""
    found = INTERVAL.match(cell)
    return found.group(1) if found else cell


def interval_bounds(cell: str) -> str:
    """The interval of a cell."""
    found = INTERVAL.match(cell)
    return f"{found.group(2)} to {found.group(3)}" if found else MISSING
