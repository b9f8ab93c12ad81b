"""Pages of the report, rendered from the template files: a board of figures, and a page for each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.results.labels import model_labels
from dinobench.results.records import RunRecord

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """An image of the report, `path` relative to its index.html."""

    caption: str
    path: str


@dataclass(frozen=True)
class BoardRow:
    """One record on the board; texts as they are shown, figures as numbers that sort."""

    model: str
    page: str
    architecture: str
    data: str
    value: float
    interval: str
    published: str
    difference: str
    difference_value: str
    comparable: str
    because: str
    date: str
    error: str


@dataclass(frozen=True)
class Board:
    """The records of one task, protocol and metric: figures of different protocols never share a column."""

    title: str
    task: str
    metric: str
    rows: tuple[BoardRow, ...]


def make_boards(
    records: Sequence[RunRecord], published: Mapping[tuple[str, str, str], float], pages: Mapping[str, str]
) -> list[Board]:
    """The boards of all records, the best figure of each first.

    Args:
        records: to show.
        published: figure by model card, task and metric.
        pages: address of each record's page by its run key.
    """
    labels = model_labels(record.model for record in records)
    groups: dict[tuple[str, str, str, str], list[RunRecord]] = {}
    for record in records:
        key = (record.task, record.protocol.name, record.protocol.hash, record.main_metric)
        groups.setdefault(key, []).append(record)
    names = [(task, protocol) for task, protocol, _, _ in groups]
    boards = []
    for (task, protocol, digest, metric), members in sorted(groups.items()):
        rows = [_board_row(record, labels[record.model.sha256], published, pages[record.run_key]) for record in members]
        several = names.count((task, protocol)) > 1
        title = f"{task}@{protocol}" + (f" (settings {digest[:8]})" if several else "")
        ordered = sorted(rows, key=lambda row: (bool(row.error), -row.value))
        boards.append(Board(title, task, metric, tuple(ordered)))
    return boards


def _board_row(record: RunRecord, label: str, published: Mapping[tuple[str, str, str], float], page: str) -> BoardRow:
    value = record.value or 0.0
    theirs = published.get((record.model.card, record.task, record.main_metric))
    bounds = record.intervals.get(record.main_metric)
    differs = theirs is not None and record.comparable
    return BoardRow(
        model=label,
        page=page,
        architecture=record.model.architecture,
        data=record.data_name,
        value=value,
        interval=f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else "",
        published="" if theirs is None else f"{theirs:g}",
        difference=f"{value - theirs:+.2f}" if differs and theirs is not None else "",
        difference_value=f"{value - theirs}" if differs and theirs is not None else "",
        comparable="yes" if record.comparable else "no",
        because="; ".join(record.because),
        date=record.date[:10],
        error=record.error,
    )


def index_page(
    boards: Sequence[Board], tables: Sequence[str], curves: Sequence[Picture], pictures: Sequence[Picture]
) -> str:
    """The first page; `tables` are HTML whose texts are escaped already."""
    from markupsafe import Markup

    page: str = _template("index.html").render(
        boards=boards,
        tasks=sorted({board.task for board in boards}),
        figures=sum(len(board.rows) for board in boards),
        tables=[Markup(table) for table in tables],
        curves=curves,
        pictures=pictures,
    )
    return page


def record_page(record: RunRecord, pictures: Sequence[Picture]) -> str:
    """Everything that one record holds."""
    model = {name: value for name, value in vars(record.model).items() if name != "choices" and value not in ("", None)}
    data: dict[str, Any] = {"spec": record.data.spec, "layout": record.data.layout}
    for name, split in record.data.splits.items():
        data[name] = f"{split.images} images, {split.classes} classes, digest {split.sha256}"
    run = {"date": record.date, "device": record.device, "processes": record.processes, **record.environment}
    run |= {f"seconds, {phase}": f"{seconds:.2f}" for phase, seconds in record.seconds.items()}
    run["peak memory"] = f"{record.peak_memory_bytes / 2**20:.0f} MiB"
    page: str = _template("record.html").render(
        record=record,
        model=model,
        data=data,
        run=run,
        pictures=pictures,
    )
    return page


def _template(name: str) -> Any:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    found = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FileSystemLoader(TEMPLATES))
    found.globals["style"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    found.globals["script"] = Markup((TEMPLATES / "board.js").read_text(encoding="utf-8"))
    return found
