"""The published figures of model cards that stand in none of the papers' tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dinobench.cards import Figure, ModelCard, TaskCard
from dinobench.results.cell_verdicts import judge, newest
from dinobench.results.records import RunRecord
from dinobench.results.tables.build import DIFFERENCE, MISSING, OURS, VERDICT, Table, TableColumn, format_figure

_TEXT = ("Model", "Figure", "Task", "Source")
_FIGURE = "Published"


def other_figures(
    records: Iterable[RunRecord],
    tasks: Mapping[str, TaskCard],
    models: Mapping[str, ModelCard],
    *,
    verdicts: bool = False,
    ours_alone: bool = False,
) -> Table:
    """One row a figure, in sections by method; ours beside it where a record has its model, task and protocol.

    Args:
        records: to take ours from; those of rehearsals are not taken.
        tasks: by name.
        models: by name.
        verdicts: whether ours has a column that says what it and the published one say of each other.
        ours_alone: whether rows without a figure of ours are left out.
    """
    known = {name: (task, metric) for task in tasks.values() for name, metric in task.figures.items()}
    records = list(records)
    behind = (OURS, DIFFERENCE, VERDICT) if verdicts else (OURS, DIFFERENCE)
    sections: dict[str, list[tuple[str, ...]]] = {}
    filled = False
    for card in models.values():
        for name, figure in card.figures.items():
            task, metric = known.get(name, (None, ""))
            record = newest(records, card.name, task.name, figure.protocol) if task and figure.protocol else None
            if ours_alone and record is None:
                continue
            beside = _beside(record, figure, metric)
            filled |= record is not None
            measured = f"{task.name}@{figure.protocol}" if task and figure.protocol else ""
            texts = (card.name, name.replace("_", " "), measured, figure.source, format_figure(figure.value, 1))
            sections.setdefault(card.method, []).append((*texts, *(beside[heading] for heading in behind)))
    columns = [*map(TableColumn, _TEXT), TableColumn(_FIGURE, _FIGURE)]
    if filled:
        columns += [TableColumn(heading, _FIGURE) for heading in behind]
    body = tuple((title, tuple(row[: len(columns)] for row in rows)) for title, rows in sections.items())
    caption = "Other published figures of these weights (%)"
    note = "Task: by which such a figure is measured here; none where no protocol measures as the source does."
    return Table("Other figures", "the model cards", caption, tuple(columns), body, (note,))


def _beside(record: RunRecord | None, figure: Figure, metric: str) -> dict[str, str]:
    value = record.metrics.get(metric) if record else None
    if record is None or value is None:
        return dict.fromkeys((OURS, DIFFERENCE, VERDICT), MISSING)
    verdict = judge(f"{figure.value:g}", metric, record)
    alike = record.comparable
    return {
        OURS: format_figure(value, 1) if alike else MISSING,
        DIFFERENCE: format_figure(round(value, 1) - round(figure.value, 1), 1, signed=True) if alike else MISSING,
        VERDICT: verdict.text,
    }
