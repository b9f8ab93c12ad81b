"""A table as Markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping

from dinobench.results.tables.build import MINUS, MISSING, Table
from dinobench.runtime.suggest import unknown

_MARK = re.compile(r"\[[a-z]+\]")
_LATEX = {
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
    "Δ": r"$\Delta$",
    MISSING: "--",
    MINUS: "$-$",
}


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
    lines += [_pipe(table.headings), _pipe(["---"] * len(table.headings))]
    for name, rows in table.sections:
        if name:
            lines.append(_pipe([f"**{name}**", *[""] * (len(table.headings) - 1)]))
        lines += [_pipe(row) for row in rows]
    if table.notes:
        lines += ["", *(f"{note}  " for note in table.notes)]
    return "\n".join(lines) + "\n"


def _pipe(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def to_latex(table: Table) -> str:
    r"""A table environment that needs \usepackage{booktabs} and nothing else; LaTeX gives it a number of its own."""
    width, caption = len(table.headings), f"{table.caption}, after {table.title} of {table.source}"
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_escape(caption)}}}"]
    lines += [rf"\begin{{tabular}}{{{'l' * width}}}", r"\toprule", _latex_row(table.headings)]
    for name, rows in table.sections:
        lines.append(r"\midrule")
        if name:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\emph{{{_escape(name)}}}}} \\")
        lines += [_latex_row(row) for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {_escape(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_row(cells: tuple[str, ...]) -> str:
    # A cell that starts with "[" after \\ would be read as its optional argument, hence the braces.
    return " & ".join(f"{{{text}}}" if (text := _escape(cell)).startswith("[") else text for cell in cells) + r" \\"


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def to_csv(table: Table) -> str:
    """Comma-separated: the section in the first column, the texts of a row's footnotes in the last."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["section", *_unique(table.headings), "notes"])
    notes = dict(note.split(" ", 1) for note in table.notes)
    for name, rows in table.sections:
        for row in rows:
            marks = [mark for cell in row for mark in _MARK.findall(cell) if mark in notes]
            writer.writerow([name, *(_plain(cell, marks) for cell in row), "; ".join(notes[mark] for mark in marks)])
    return stream.getvalue()


def _plain(cell: str, marks: list[str]) -> str:
    for mark in marks:
        cell = cell.replace(mark, "")
    return "" if cell == MISSING else cell.strip().replace(MINUS, "-")


def _unique(headings: tuple[str, ...]) -> list[str]:
    names, figure = [], ""
    for heading in headings:
        if heading in ("ours", "Δ"):
            names.append(f"{figure} {'ours' if heading == 'ours' else 'difference'}")
        else:
            figure = heading
            names.append(heading)
    return names


def to_html(table: Table) -> str:
    """A <table> with caption and footnotes; every text escaped."""
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_HTML)
    return template.render(table=table, title=title(table)) + "\n"


_HTML = """\
<table>
<caption>{{ title }}</caption>
<thead><tr>{% for heading in table.headings %}<th>{{ heading }}</th>{% endfor %}</tr></thead>
{% for name, rows in table.sections %}
<tbody>
{% if name %}
<tr><th colspan="{{ table.headings|length }}">{{ name }}</th></tr>
{% endif %}
{% for row in rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
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
