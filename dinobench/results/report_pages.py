"""Pages of the report, rendered from the template files: the boards, a page for each record and for each model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.results.frames import answers, class_accuracies, frequent_confusions
from dinobench.results.records import RunRecord
from dinobench.results.report_boards import Addresses, Board
from dinobench.results.report_figures import ForestPlot
from dinobench.results.report_pictures import Picture
from dinobench.runtime.errors import InputError

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_CONFUSIONS = 20  # of a classifier, the most frequent


def index_page(
    boards: Sequence[Board],
    comparisons: Sequence[ForestPlot],
    speeds: Sequence[Picture],
    curves: Sequence[Picture],
    tables: Sequence[str],
    pictures: Sequence[Picture],
) -> str:
    """The first page; `tables` are HTML whose texts are escaped already."""
    from markupsafe import Markup

    return _render(
        "index.html",
        boards=boards,
        tasks=sorted({board.task for board in boards}),
        figures=sum(len(board.rows) for board in boards),
        comparisons=comparisons,
        speeds=speeds,
        curves=curves,
        tables=[Markup(table) for table in tables],
        pictures=pictures,
    )


def record_page(record: RunRecord, path: Path, pictures: Sequence[Picture], addresses: Addresses) -> str:
    """Everything that one record holds; what it kept lies beside `path`."""
    data: dict[str, Any] = {"spec": record.data.spec, "layout": record.data.layout, "digest": record.data_digest}
    for name, split in record.data.splits.items():
        data[name] = f"{split.images} images, {split.classes} classes, digest {split.sha256}"
    run: dict[str, Any] = {"record": path.name, "seal": record.seal, "date": record.date, "device": record.device}
    run |= {"processes": record.processes, **record.environment}
    run |= {f"seconds, {phase}": f"{seconds:.2f}" for phase, seconds in record.seconds.items()}
    run["peak memory"] = f"{record.peak_memory_bytes / 2**20:.0f} MiB"
    return _render(
        "record.html",
        record=record,
        label=addresses.labels[record.model.sha256],
        model_page=addresses.models[record.model.sha256],
        protocol=vars(record.protocol),
        model=_model_facts(record),
        data=data,
        run=run,
        files={name: record.digests.get(name, "not there when the record was written") for name in record.files},
        **_class_tables(path),
        pictures=pictures,
    )


def model_page(
    records: Sequence[RunRecord], boards: Sequence[Board], pictures: Sequence[Picture], addresses: Addresses
) -> str:
    """The figures of one network, with the place of each on its board."""
    sha256 = records[0].model.sha256
    rows = [
        (board, place, row) for board in boards for place, row in enumerate(board.rows, start=1) if row.sha256 == sha256
    ]
    return _render(
        "model.html",
        label=addresses.labels[sha256],
        model=_model_facts(records[0]),
        choices=records[0].model.choices,
        rows=rows,
        pictures=pictures,
    )


def _model_facts(record: RunRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record.model).items() if name != "choices" and value not in ("", None)}


def _class_tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the tables on classes: accuracies, and what is confused most; empty where the record is of none."""
    try:
        frame = answers(path)
    except InputError:
        return {"classes": [], "confusions": []}
    tables = {"classes": class_accuracies(frame), "confusions": frequent_confusions(frame, _CONFUSIONS)}
    return {name: list(table.itertuples(index=False, name=None)) for name, table in tables.items()}


def _render(template: str, **values: Any) -> str:
    page: str = _environment().get_template(template).render(**values)
    return page


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    found = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FileSystemLoader(TEMPLATES))
    found.globals["style"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    found.globals["script"] = Markup((TEMPLATES / "board.js").read_text(encoding="utf-8"))
    return found
