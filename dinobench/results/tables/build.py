"""From published rows and run records to one table with three columns a figure: published, ours, difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dinobench.cards import ModelCard, TaskCard
from dinobench.results.cell_verdicts import MASKS, judge, without_weights
from dinobench.results.records import RunRecord
from dinobench.results.tables.cells import table_cells
from dinobench.results.tables.footnotes import Footnotes
from dinobench.results.tables.placement import OwnRow, PlacedFigure, Placement, place_records
from dinobench.results.tables.specs import FigureColumn, TableSpec

MISSING = "–"
MINUS = "−"
OURS, DIFFERENCE, VERDICT, REHEARSED = "ours", "Δ", "verdict", "rehearsed"
"""Headings behind a published figure."""


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


def build_table(
    spec: TableSpec,
    published: Sequence[Mapping[str, str]],
    records: Iterable[RunRecord],
    tasks: Mapping[str, TaskCard],
    models: Mapping[str, ModelCard],
    *,
    verdicts: bool = False,
    rehearsal: bool = False,
) -> Table:
    """Place every record that bears on `spec`: comparable ones beside their published row, the rest below.

    Records of different protocols never share a row of their own.

    Args:
        spec: of the table.
        published: its rows.
        records: to place; those of rehearsals are left out, or with `rehearsal` all others.
        tasks: by name.
        models: by name.
        verdicts: whether each figure has a column that says what ours and the published one say of each other.
        rehearsal: whether the table shows which cells a rehearsal reached, in place of ours and the difference.
    """
    placement = place_records(spec, published, records, tasks, models, rehearsal=rehearsal)
    behind = (OURS, DIFFERENCE, VERDICT) if verdicts else (OURS, DIFFERENCE)
    owners: dict[tuple[int, str], ModelCard] = {}
    if verdicts:
        cells = table_cells([spec], tasks, models)
        owners = {(cell.row, cell.column): models[cell.model] for cell in cells if cell.model}
    writer = _TableWriter(spec, placement, (REHEARSED,) if rehearsal else behind, owners)
    return writer.write(published)


@dataclass
class _TableWriter:
    """Turns placed records into cells of text.

    Attributes:
        behind: headings of the columns behind a figure that has one of ours.
        owners: card of each cell, where verdicts are wanted.
    """

    spec: TableSpec
    placement: Placement
    behind: tuple[str, ...]
    owners: Mapping[tuple[int, str], ModelCard]
    notes: Footnotes = field(default_factory=Footnotes)

    def write(self, published: Sequence[Mapping[str, str]]) -> Table:
        """The table of these published rows."""
        spec, filled = self.spec, self.placement.filled
        columns = [TableColumn(column.heading) for column in spec.text]
        for figure in spec.figures:
            headings = [figure.heading, *(self.behind if figure.name in filled else ())]
            columns += [TableColumn(heading, figure.heading, figure.best) for heading in headings]
        sections: dict[str, list[tuple[str, ...]]] = {}
        for index, values in enumerate(published):
            title = values.get(spec.group, "") if spec.group else ""
            sections.setdefault(title, []).append(self._published_cells(index, values))
        if own := self.placement.own:
            images: dict[str, set[str]] = {}
            for row in own:
                images.setdefault(row.data, set()).update({row.digest} - {""})
            sections["Ours, without a published row"] = [
                self._own_cells(row, one_of_many=len(images[row.data]) > 1) for row in own
            ]
        body = tuple((title, tuple(rows)) for title, rows in sections.items())
        notes = (*self.notes.lines(), *filter(None, [spec.note]))
        if REHEARSED in self.behind:
            caption = f"{spec.caption}: cells that a rehearsal reached, with drawn weights and a few drawn images"
            return Table(f"{spec.title} (rehearsal)", spec.source, caption, tuple(columns), body, notes)
        return Table(spec.title, spec.source, spec.caption, tuple(columns), body, notes)

    def _published_cells(self, index: int, values: Mapping[str, str]) -> tuple[str, ...]:
        cells = [values.get(column.name, "") for column in self.spec.text]
        first = next((place for place, text in enumerate(cells) if text), 0)
        cells[first] = " ".join(filter(None, (cells[first], self.notes.mark(values.get("note", "")))))
        for figure in self.spec.figures:
            theirs = values.get(figure.name, "")
            cells.append(format_figure(float(theirs), figure.decimals) if theirs else MISSING)
            if figure.name in self.placement.filled:
                place = index, figure.name
                texts = self._beside(self.placement.placed.get(place), theirs, figure, self.owners.get(place))
                cells += [texts[heading] for heading in self.behind]
        return tuple(cells)

    def _beside(
        self, found: PlacedFigure | None, theirs: str, figure: FigureColumn, owner: ModelCard | None
    ) -> dict[str, str]:
        """What stands behind a published figure, by heading."""
        if found is None:
            reason = without_weights(owner) if owner else None
            return {OURS: MISSING, DIFFERENCE: MISSING, REHEARSED: MISSING, VERDICT: reason.text if reason else MISSING}
        value = found.record.metrics[found.metric] or 0.0
        verdict = judge(theirs, found.metric, found.record).text
        if found.record.rehearsal:
            return {REHEARSED: "yes"}
        ours = " ".join([format_figure(value, figure.decimals), *map(self.notes.mark, _notes_of(found))])
        if not theirs:
            return {OURS: ours, DIFFERENCE: MISSING, VERDICT: verdict}
        difference = round(value, figure.decimals) - round(float(theirs), figure.decimals)
        return {OURS: ours, DIFFERENCE: format_figure(difference, figure.decimals, signed=True), VERDICT: verdict}

    def _own_cells(self, row: OwnRow, *, one_of_many: bool) -> tuple[str, ...]:
        """A row of ours; `one_of_many` where other images go by the name of its data, so that it takes more to tell."""
        spec = self.spec
        reasons = "; ".join(dict.fromkeys(reason for record in row.figures.values() for reason in record.because))
        known = {"arch": row.arch, "method": row.label, "data": row.data, "pretrain_data": "", **row.texts}
        data = f"{row.data} {row.digest}" if one_of_many else row.data
        mark = self.notes.mark(f"{data}, protocol {row.protocol}: {reasons or 'no published row for this model'}")
        texts = [known.get(column.name, "") for column in spec.text]
        if "method" not in {column.name for column in spec.text}:
            texts[0] = f"{row.label} ({row.arch})"
        first = next((place for place, column in enumerate(spec.text) if column.name == "method"), 0)
        texts[first] = f"{texts[first]} {mark}"
        for figure in spec.figures:
            if figure.name not in self.placement.filled:
                params = figure.name == "params_m" and row.parameters
                texts.append(format_figure(row.parameters, figure.decimals or 1) if params else MISSING)
            else:
                texts += [MISSING, *(_of_own(row, figure)[heading] for heading in self.behind)]
        return tuple(texts)


def _notes_of(found: PlacedFigure) -> list[str]:
    """What a reader must know of a figure.

    That masks were scored, or that several records claim the cell; of a fine-tuned figure the best epoch's, which the
    authors' code prints.
    """
    record = found.record
    said, best = [MASKS] if MASKS in record.warnings else [], record.metrics.get("best_top1")
    if found.claims > 1:
        said.append(f"the newest of {found.claims} records that claim this cell")
    if found.metric == "top1" and best is not None:
        said.append(f"after the last epoch; {best:.1f} at the best, epoch {record.metrics['best_epoch']:.0f}")
    return said


def _of_own(row: OwnRow, figure: FigureColumn) -> dict[str, str]:
    """What stands behind a figure in a row of ours, by heading."""
    record = row.figures.get(figure.name)
    if record is None:
        return dict.fromkeys((OURS, DIFFERENCE, VERDICT, REHEARSED), MISSING)
    reason = "; ".join(record.because) or "no published row for this model"
    ours = _with_interval(record, row.metrics[figure.name], figure)
    return {OURS: ours, DIFFERENCE: MISSING, VERDICT: f"not comparable: {reason}", REHEARSED: "yes"}


def _with_interval(record: RunRecord, metric: str, figure: FigureColumn) -> str:
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
