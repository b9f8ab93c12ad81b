"""From published rows and run records to one table with three columns a figure: published, ours, difference."""

from __future__ import annotations

import csv
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dinobench.cards import Cell, ModelCard, TaskCard
from dinobench.results.cell_verdicts import MASKS
from dinobench.results.labels import model_labels
from dinobench.results.records import RunRecord
from dinobench.results.tables.specs import FigureColumn, TableSpec
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe

MISSING = "–"
MINUS = "−"
OURS, DIFFERENCE = "ours", "Δ"


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Attributes:
        heading: of the column; "ours" and "Δ" stand behind the published figure that they belong to.
        figure: heading of the published figure; "" for a column of text.
        best: "max" or "min" where a best figure can be told, else "".
    """

    heading: str
    figure: str = ""
    best: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it names the row."""
        return not self.figure


@dataclass(frozen=True)
class Table:
    """Cells as text, ready for any format.

    Attributes:
        sections: title (may be empty) and rows; each row has one text per heading.
        notes: footnotes, each starting with its mark, and perhaps a remark on published figures.
    """

    title: str
    source: str
    caption: str
    columns: tuple[TableColumn, ...]
    sections: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    notes: tuple[str, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """Of every column."""
        return tuple(column.heading for column in self.columns)


@dataclass
class OwnRow:
    """A model of ours that fills no published row."""

    label: str
    arch: str
    protocol: str
    data: str
    digest: str
    parameters: float
    texts: Mapping[str, str]
    figures: dict[str, RunRecord] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)

    def takes(self, record: RunRecord, column: str) -> bool:
        """Whether the column is free and the record of the same images; one that read none goes with any."""
        same = self.digest == record.data_digest or not (self.digest and record.data_digest)
        return same and column not in self.figures


class Footnotes:
    """Marks a, b, c ... given out once per distinct text."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The mark of `text`, as "[a]"; empty for no text."""
        if not text:
            return ""
        if text not in self._marks:
            self._marks[text] = _letters(len(self._marks))
        return f"[{self._marks[text]}]"

    def lines(self) -> tuple[str, ...]:
        """All notes in the order of their marks."""
        return tuple(f"[{mark}] {text}" for text, mark in self._marks.items())


def _letters(number: int) -> str:
    """The name of the note with that number, from 0: a to z, then aa to zz, and so on."""
    before, last = divmod(number, len(string.ascii_lowercase))
    return (_letters(before - 1) if before else "") + string.ascii_lowercase[last]


def read_published(path: Path) -> list[dict[str, str]]:
    """Rows of a published CSV as dicts of text; InputError where the file cannot be read."""
    refuse_pipe(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return [{name: value or "" for name, value in row.items() if name} for row in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the published figures in {path}: {error}") from error


def build_table(
    spec: TableSpec,
    published: Sequence[Mapping[str, str]],
    records: Iterable[RunRecord],
    tasks: Mapping[str, TaskCard],
    models: Mapping[str, ModelCard],
) -> Table:
    """Place every record that bears on `spec`: comparable ones beside their published row, the rest below.

    Records of different protocols never share a row of their own.
    """
    records = list(records)
    labels = model_labels(record.model for record in records)
    placed: dict[tuple[int, str], tuple[RunRecord, str]] = {}
    own: dict[tuple[str, ...], list[OwnRow]] = {}
    for record, cell in _bearing_on(spec, records, tasks):
        index = _published_row(spec, published, record, cell, models) if record.comparable else None
        if index is None:
            _add_own(own, record, cell, labels)
        elif not record.deviations or (index, cell.column) not in placed:  # the default run before another seed's
            placed[index, cell.column] = (record, cell.metric)
    return _assemble_table(spec, published, placed, [row for rows in own.values() for row in rows])


def _bearing_on(
    spec: TableSpec, records: Iterable[RunRecord], tasks: Mapping[str, TaskCard]
) -> Iterable[tuple[RunRecord, Cell]]:
    for record in records:
        card = tasks.get(record.task)
        for cell in card.cells if card and not record.failed else ():
            if cell.table == spec.name and record.metrics.get(cell.metric) is not None:
                yield record, cell


def _published_row(
    spec: TableSpec,
    published: Sequence[Mapping[str, str]],
    record: RunRecord,
    cell: Cell,
    models: Mapping[str, ModelCard],
) -> int | None:
    card = models.get(record.model.card)
    for row in card.rows if card else ():
        if row.table == spec.name and row.protocols.get(record.task, record.protocol.name) == record.protocol.name:
            for index, values in enumerate(published):
                if row.key.items() | cell.row.items() <= values.items():
                    return index
    return None


def _add_own(
    own: dict[tuple[str, ...], list[OwnRow]], record: RunRecord, cell: Cell, labels: Mapping[str, str]
) -> None:
    protocol, name = record.protocol.name, labels[record.model.sha256]
    key = (name, record.model.sha256, record.data_name, protocol, *cell.row.values())
    rows = own.setdefault(key, [])
    row = next((row for row in rows if row.takes(record, cell.column)), None)
    if row is None:  # also for a run of other settings, whose figure must not hide the first
        parameters = record.model.parameters / 1e6
        architecture = record.model.architecture
        row = OwnRow(name, architecture, protocol, record.data_name, record.data_digest, parameters, cell.row)
        rows.append(row)
    row.digest = row.digest or record.data_digest
    row.figures[cell.column], row.metrics[cell.column] = record, cell.metric


def _assemble_table(
    spec: TableSpec,
    published: Sequence[Mapping[str, str]],
    placed: Mapping[tuple[int, str], tuple[RunRecord, str]],
    own: Sequence[OwnRow],
) -> Table:
    notes = Footnotes()
    filled = {column for _, column in placed} | {column for row in own for column in row.figures}
    columns = [TableColumn(column.heading) for column in spec.text]
    for figure in spec.figures:
        headings = [figure.heading, OURS, DIFFERENCE] if figure.name in filled else [figure.heading]
        columns += [TableColumn(heading, figure.heading, figure.best) for heading in headings]
    sections: dict[str, list[tuple[str, ...]]] = {}
    for index, values in enumerate(published):
        title = values.get(spec.group, "") if spec.group else ""
        sections.setdefault(title, []).append(_published_cells(spec, index, values, placed, filled, notes))
    if own:
        images: dict[str, set[str]] = {}
        for row in own:
            images.setdefault(row.data, set()).update({row.digest} - {""})
        sections["Ours, without a published row"] = [
            _own_cells(spec, row, filled, notes, one_of_many=len(images[row.data]) > 1) for row in own
        ]
    body = tuple((title, tuple(rows)) for title, rows in sections.items())
    return Table(
        spec.title, spec.source, spec.caption, tuple(columns), body, (*notes.lines(), *filter(None, [spec.note]))
    )


def _published_cells(
    spec: TableSpec,
    index: int,
    values: Mapping[str, str],
    placed: Mapping[tuple[int, str], tuple[RunRecord, str]],
    filled: set[str],
    notes: Footnotes,
) -> tuple[str, ...]:
    cells = [values.get(column.name, "") for column in spec.text]
    first = next((place for place, text in enumerate(cells) if text), 0)
    cells[first] = " ".join(filter(None, (cells[first], notes.mark(values.get("note", "")))))
    for figure in spec.figures:
        theirs = values.get(figure.name, "")
        cells.append(format_figure(float(theirs), figure.decimals) if theirs else MISSING)
        if figure.name in filled:
            cells += _ours_and_difference(placed.get((index, figure.name)), theirs, figure, notes)
    return tuple(cells)


def _ours_and_difference(
    found: tuple[RunRecord, str] | None, theirs: str, figure: FigureColumn, notes: Footnotes
) -> list[str]:
    if found is None:
        return [MISSING, MISSING]
    record, metric = found
    value = record.metrics[metric] or 0.0
    ours = " ".join([format_figure(value, figure.decimals), *map(notes.mark, _notes_of(record, metric))])
    if not theirs:
        return [ours, MISSING]
    difference = round(value, figure.decimals) - round(float(theirs), figure.decimals)
    return [ours, format_figure(difference, figure.decimals, signed=True)]


def _notes_of(record: RunRecord, metric: str) -> list[str]:
    """That masks were scored; of a fine-tuned figure the best epoch's, which the authors' code prints."""
    said, best = [MASKS] if MASKS in record.warnings else [], record.metrics.get("best_top1")
    if metric == "top1" and best is not None:
        said.append(f"after the last epoch; {best:.1f} at the best, epoch {record.metrics['best_epoch']:.0f}")
    return said


def _own_cells(
    spec: TableSpec, row: OwnRow, filled: set[str], notes: Footnotes, *, one_of_many: bool
) -> tuple[str, ...]:
    """A row of ours; `one_of_many` where other images go by the name of its data, so that it takes more to tell."""
    reasons = "; ".join(dict.fromkeys(reason for record in row.figures.values() for reason in record.because))
    known = {"arch": row.arch, "method": row.label, "data": row.data, "pretrain_data": "", **row.texts}
    data = f"{row.data} {row.digest}" if one_of_many else row.data
    mark = notes.mark(f"{data}, protocol {row.protocol}: {reasons or 'no published row for this model'}")
    texts = [known.get(column.name, "") for column in spec.text]
    if "method" not in {column.name for column in spec.text}:
        texts[0] = f"{row.label} ({row.arch})"
    first = next((place for place, column in enumerate(spec.text) if column.name == "method"), 0)
    texts[first] = f"{texts[first]} {mark}"
    for figure in spec.figures:
        if figure.name not in filled:
            params = figure.name == "params_m" and row.parameters
            texts.append(format_figure(row.parameters, figure.decimals or 1) if params else MISSING)
        else:
            texts += [MISSING, _with_interval(row, figure), MISSING]
    return tuple(texts)


def _with_interval(row: OwnRow, figure: FigureColumn) -> str:
    record = row.figures.get(figure.name)
    if record is None:
        return MISSING
    metric = row.metrics[figure.name]
    decimals = figure.decimals or 1  # half a million parameters are not 0
    text = format_figure(record.metrics[metric] or 0.0, decimals)
    if metric not in record.intervals:
        return text
    low, high = (format_figure(bound, decimals) for bound in record.intervals[metric])
    return f"{text} ({low} to {high})"


def format_figure(value: float, decimals: int, *, signed: bool = False) -> str:
    """A figure with a true minus sign; a signed zero is printed without its sign."""
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+' if signed else ''}{text}"
