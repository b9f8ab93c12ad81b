"""A table as Markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping

from dinobench.results.tables.build import DIFFERENCE, MINUS, MISSING, OURS, REHEARSED, VERDICT, Table, TableColumn
from dinobench.results.tables.latex import to_latex
from dinobench.results.tables.latex_columns import INTERVAL
from dinobench.runtime.suggest import unknown

_MARK = re.compile(r"\[[a-z]+\]")
_FORMULA = ("=", "+", "-", "@")  # spreadsheets would compute such a text


def render(table: Table, style: str) -> str:
    """`table` as text in `style`: markdown, latex (booktabs), csv or html.

    Raises:
        InputError: unknown style.
    """
    if style not in FORMATS:
        raise unknown("table format", style, FORMATS)
    return FORMATS[style](table)


def title(table: Table) -> str:
    """Heading of the table, such as "Table 2. Linear and k-NN ..."."""
    return f"{table.title}. {table.caption}"


def to_markdown(table: Table) -> str:
    """A pipe table; section titles in bold rows, footnotes below."""
    lines = [f"**{title(table)}**", ""]
    lines += [_markdown_row(table.headings), _markdown_row(["---"] * len(table.headings))]
    for name, rows in table.sections:
        if name:
            lines.append(_markdown_row([f"**{name}**", *[""] * (len(table.headings) - 1)]))
        lines += [_markdown_row(row) for row in rows]
    if table.notes:
        lines += ["", *(f"{note}  " for note in table.notes)]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(_markdown_cell(cell) for cell in cells) + " |"


def _markdown_cell(cell: str) -> str:
    """Text of one line that Markdown neither splits nor reads as HTML."""
    return " ".join(cell.split()).replace("|", r"\|").replace("<", "&lt;")


def to_csv(table: Table) -> str:
    """Comma-separated: the section in the first column, the texts of a row's footnotes in the last.

    Figures are plain numbers; our 95% intervals have columns of their own.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["section", *(name for column in table.columns for name in _column_names(column)), "notes"])
    notes = dict(note.split(" ", 1) for note in table.notes)
    for name, rows in table.sections:
        for row in rows:
            marks = [mark for cell in row for mark in _MARK.findall(cell) if mark in notes]
            cells = [
                text
                for column, cell in zip(table.columns, row, strict=True)
                for text in _csv_cells(column, cell, marks)
            ]
            writer.writerow([name, *cells, "; ".join(notes[mark] for mark in marks)])
    return stream.getvalue()


def _csv_cells(column: TableColumn, cell: str, marks: list[str]) -> list[str]:
    for mark in marks:
        cell = cell.replace(mark, "")
    text = "" if cell == MISSING else cell.strip()
    if column.is_text or column.heading == VERDICT:
        return [f"'{text}" if text.startswith(_FORMULA) else text]
    if column.heading != OURS:
        return [text.replace(MINUS, "-")]
    value, low, high = found.groups() if (found := INTERVAL.match(text)) else (text, "", "")
    return [part.replace(MINUS, "-") for part in (value, low, high)]


def _column_names(column: TableColumn) -> list[str]:
    if column.heading == OURS:
        return [f"{column.figure} ours", f"{column.figure} low", f"{column.figure} high"]
    named = {DIFFERENCE: "difference", VERDICT: VERDICT, REHEARSED: REHEARSED}.get(column.heading)
    return [f"{column.figure} {named}" if named else column.heading]


def to_html(table: Table) -> str:
    """A <table> with caption and footnotes; every text escaped."""
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_HTML)
    return template.render(table=table, title=title(table), kinds=[_kind_of(column) for column in table.columns]) + "\n"


def _kind_of(column: TableColumn) -> str:
    """The class of a column's cells, by which a style sheet aligns them."""
    return "verdict" if column.heading == VERDICT else "text" if column.is_text else "figure"


_HTML = """\
<table class="published">
<caption>{{ title }}</caption>
<thead><tr>
{%- for heading in table.headings %}<th class="{{ kinds[loop.index0] }}">{{ heading }}</th>{% endfor -%}
</tr></thead>
{% for name, rows in table.sections %}
<tbody>
{% if name %}
<tr><th colspan="{{ table.headings|length }}">{{ name }}</th></tr>
{% endif %}
{% for row in rows %}
<tr>{% for cell in row %}<td class="{{ kinds[loop.index0] }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
{% for note in table.notes %}
<p class="note">{{ note }}</p>
{% endfor %}
"""

FORMATS: Mapping[str, Callable[[Table], str]] = {
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "html": to_html,
}
