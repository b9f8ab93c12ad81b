"""Which figure of a published table which model and task fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dinobench.cards import Cell, ModelCard, TaskCard
from dinobench.results.tables.published import published_rows
from dinobench.results.tables.specs import TableSpec
from dinobench.runtime.errors import InputError


@dataclass(frozen=True)
class TableCell:
    """One published figure.

    Attributes:
        table: its name, such as "2".
        row: number of the published row in its CSV.
        column: of the CSV.
        published: the figure as printed; "" where the paper has none.
        model: card of the row; "" where no card claims it.
        task, protocol, metric: what measures it; "" where no task fills the column.
    """

    table: str
    row: int
    column: str
    published: str
    model: str = ""
    task: str = ""
    protocol: str = ""
    metric: str = ""

    @property
    def job(self) -> str:
        """TASK@PROTOCOL."""
        return f"{self.task}@{self.protocol}"


def table_cells(
    specs: Iterable[TableSpec], tasks: Mapping[str, TaskCard], models: Mapping[str, ModelCard]
) -> list[TableCell]:
    """Every figure of the tables that a task can measure, with the card and task that fill it.

    Raises:
        InputError: two cards claim one row, or a user's own card claims a row or column that is not there.
    """
    found = []
    for spec in specs:
        rows = published_rows(spec)
        _check_own_columns(spec, tasks)
        owners = _row_owners(spec, rows, models)
        unfilled = unfilled_columns(spec, tasks)
        for number, values in enumerate(rows):
            for figure in spec.figures:
                if figure.name not in unfilled:
                    found.append(_build_cell(spec, number, values, figure.name, owners.get(number, _NOBODY), tasks))
    return found


def unfilled_columns(spec: TableSpec, tasks: Mapping[str, TaskCard]) -> list[str]:
    """Columns of figures that no task fills."""
    filled = {cell.column for card in tasks.values() for cell in card.cells if cell.table == spec.name}
    return [figure.name for figure in spec.figures if figure.name not in filled]


def rowless_cells(specs: Iterable[TableSpec], tasks: Mapping[str, TaskCard], models: Iterable[str]) -> list[TableCell]:
    """What tasks measure for models that have no row in the tables, by the protocols of the published figures."""
    found: dict[tuple[str, str, str], TableCell] = {}
    for number, model in enumerate(models, start=1):
        for spec in specs:
            columns = {figure.name for figure in spec.figures}
            for card in tasks.values():
                for cell in card.cells:
                    if cell.table == spec.name and cell.column in columns:
                        protocol = card.cell_protocol(cell, {})
                        made = TableCell(spec.name, -number, cell.column, "", model, card.name, protocol, cell.metric)
                        found.setdefault((model, spec.name, cell.column), made)
    return list(found.values())


@dataclass(frozen=True)
class _Owner:
    """The card that claims a row, and the protocols that it names for it."""

    model: str = ""
    protocols: Mapping[str, str] = field(default_factory=dict)


_NOBODY = _Owner()


def _row_owners(
    spec: TableSpec, rows: Sequence[Mapping[str, str]], models: Mapping[str, ModelCard]
) -> dict[int, _Owner]:
    owners: dict[int, _Owner] = {}
    for card in models.values():
        for row in (each for each in card.rows if each.table == spec.name):
            claimed = [number for number, values in enumerate(rows) if row.key.items() <= values.items()]
            if card.own and not claimed:
                wanted = ", ".join(f"{column} = {text}" for column, text in row.key.items())
                raise InputError(f"card {card.file} claims a row of {spec.title} with {wanted}; {spec.path} has none")
            for number in claimed:
                if number in owners and owners[number].model != card.name:
                    both = f"{owners[number].model} and {card.name}"
                    raise InputError(f"cards {both} both claim row {number + 1} of {spec.title}; mend one of them")
                owners[number] = _Owner(card.name, row.protocols)
    return owners


def _check_own_columns(spec: TableSpec, tasks: Mapping[str, TaskCard]) -> None:
    known = [figure.name for figure in spec.figures]
    for card in tasks.values():
        for cell in card.cells if card.own else ():
            if cell.table == spec.name and cell.column not in known:
                raise InputError(
                    f"card {card.file} fills column {cell.column} of {spec.title}, which has {', '.join(known)}"
                )


def _build_cell(
    spec: TableSpec, number: int, values: Mapping[str, str], column: str, owner: _Owner, tasks: Mapping[str, TaskCard]
) -> TableCell:
    """The cell with the task whose own row values fit best: most of them wins."""
    fitting: list[tuple[int, TaskCard, Cell]] = [
        (len(cell.row), card, cell)
        for card in tasks.values()
        for cell in card.cells
        if (cell.table, cell.column) == (spec.name, column) and cell.row.items() <= values.items()
    ]
    published = values.get(column, "")
    if not fitting:
        return TableCell(spec.name, number, column, published, owner.model)
    _, card, cell = max(fitting, key=lambda each: each[0])
    protocol = card.cell_protocol(cell, owner.protocols)
    return TableCell(spec.name, number, column, published, owner.model, card.name, protocol, cell.metric)


FigureKey = tuple[str, str, str, str]
"""Model card, task, protocol and metric of a published figure."""


def published_figures(
    specs: Iterable[TableSpec], tasks: Mapping[str, TaskCard], models: Mapping[str, ModelCard]
) -> Mapping[FigureKey, float]:
    """Published figure by model card, task, protocol and metric; that of the first table where several print it."""
    found: dict[FigureKey, float] = {}
    for cell in table_cells(specs, tasks, models):
        if cell.model and cell.task and cell.published:
            found.setdefault((cell.model, cell.task, cell.protocol, cell.metric), float(cell.published))
    return found
