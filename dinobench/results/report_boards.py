"""Boards of the report: figures of one task, protocol and data, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dinobench.results.records import RunRecord
from dinobench.results.tables.cells import FigureKey


@dataclass(frozen=True)
class Addresses:
    """Pages of the report, relative to its index.html.

    Attributes:
        records: by run key.
        models: by the sha256 of the tensors.
        labels: names of the models, likewise.
    """

    records: Mapping[str, str]
    models: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class BoardRow:
    """One record on the board; texts as they are shown, figures as numbers that sort."""

    model: str
    sha256: str
    page: str
    model_page: str
    architecture: str
    value: float
    interval: str
    published: str
    difference: str
    difference_value: str
    comparable: str
    because: str
    settings: str
    date: str
    error: str


@dataclass(frozen=True)
class Board:
    """The records of one task, protocol, data and metric: other figures never share a column with them."""

    title: str
    task: str
    metric: str
    rows: tuple[BoardRow, ...]


def make_boards(
    records: Sequence[RunRecord], published: Mapping[FigureKey, float], addresses: Addresses
) -> list[Board]:
    """The boards of all records, the best figure of each first.

    Args:
        records: to show.
        published: figure by model card, task, protocol and metric.
        addresses: of their pages.
    """
    groups: dict[tuple[str, ...], list[RunRecord]] = {}
    for record in records:
        about = (record.task, record.protocol.name, record.data_name, record.protocol.hash, record.data_digest)
        groups.setdefault((*about, record.main_metric), []).append(record)
    names = [key[:3] for key in groups]
    boards = []
    for key, members in sorted(groups.items()):
        task, protocol, data, settings, images, metric = key
        rows = [_board_row(record, published, addresses) for record in members]
        more = f" (settings {settings[:8]}, images {images})" if names.count(key[:3]) > 1 else ""
        ordered = sorted(rows, key=lambda row: (bool(row.error), -row.value))
        boards.append(Board(f"{task}@{protocol} on {data}{more}", task, metric, tuple(ordered)))
    return boards


def _board_row(record: RunRecord, published: Mapping[FigureKey, float], addresses: Addresses) -> BoardRow:
    value = record.value or 0.0
    theirs = published.get((record.model.card, record.task, record.protocol.name, record.main_metric))
    bounds = record.intervals.get(record.main_metric)
    difference = value - theirs if theirs is not None and record.comparable else None
    return BoardRow(
        model=addresses.labels[record.model.sha256],
        sha256=record.model.sha256,
        page=addresses.records[record.run_key],
        model_page=addresses.models[record.model.sha256],
        architecture=record.model.architecture,
        value=value,
        interval=f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else "",
        published="" if theirs is None else f"{theirs:g}",
        difference="" if difference is None else f"{difference:+.2f}",
        difference_value="" if difference is None else f"{difference}",
        comparable="yes" if record.comparable else "no",
        because="; ".join(record.because),
        settings=", ".join(f"{name} = {value}" for name, value in record.deviations.items()),
        date=record.date[:10],
        error=record.error,
    )
