"""Which record stands where in a published table."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dinobench.cards import Cell, ModelCard, TaskCard
from dinobench.results.labels import model_labels
from dinobench.results.records import RunRecord
from dinobench.results.tables.specs import TableSpec


@dataclass(frozen=True)
class PlacedFigure:
    """The record of a published cell.

    Attributes:
        claims: how many sound records claim the cell; the newest stands in it.
    """

    record: RunRecord
    metric: str
    claims: int = 1

    def with_rival(self, record: RunRecord, metric: str) -> PlacedFigure:
        """The one that stands in the cell: default settings before others, such as another seed, then the newest."""
        default = not self.record.deviations, not record.deviations
        claims = self.claims + 1 if all(default) else 1
        newer = (default[1], record.date) > (default[0], self.record.date)
        return PlacedFigure(record, metric, claims) if newer else PlacedFigure(self.record, self.metric, claims)


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


@dataclass(frozen=True)
class Placement:
    """Records beside published rows, by row and column, and rows of ours."""

    placed: Mapping[tuple[int, str], PlacedFigure]
    own: Sequence[OwnRow]

    @functools.cached_property
    def filled(self) -> set[str]:
        """Columns with a figure of ours."""
        return {column for _, column in self.placed} | {column for row in self.own for column in row.figures}


def place_records(
    spec: TableSpec,
    published: Sequence[Mapping[str, str]],
    records: Iterable[RunRecord],
    tasks: Mapping[str, TaskCard],
    models: Mapping[str, ModelCard],
    *,
    rehearsal: bool = False,
) -> Placement:
    """Comparable records beside their published row, the rest below; of a rehearsal all that have a row, and no other.

    Records of a rehearsal and of real runs never stand in one table.
    """
    records = [record for record in records if record.rehearsal is rehearsal]
    labels = model_labels(record.model for record in records)
    placed: dict[tuple[int, str], PlacedFigure] = {}
    own: dict[tuple[str, ...], list[OwnRow]] = {}
    for record, cell in _bearing_on(spec, records, tasks):
        may_stand = record.comparable or rehearsal
        index = _published_row(spec, published, record, (tasks[record.task], cell), models) if may_stand else None
        if index is None:
            _add_own(own, record, cell, labels)
        else:
            before = placed.get((index, cell.column))
            now = PlacedFigure(record, cell.metric)
            placed[index, cell.column] = before.with_rival(record, cell.metric) if before else now
    return Placement(placed, [row for rows in own.values() for row in rows])


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
    place: tuple[TaskCard, Cell],
    models: Mapping[str, ModelCard],
) -> int | None:
    """The row that a record fills: of its model's card, and measured by the protocol of the published figure."""
    (task, cell), card = place, models.get(record.model.card)
    for row in card.rows if card else ():
        if row.table == spec.name and record.protocol.name == task.cell_protocol(cell, row.protocols):
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
