"""Records and published figures as pandas frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinobench.cards import load_models, load_tasks
from dinobench.results.compare import SCORE_AGAIN
from dinobench.results.records import RECORDS, RecordStore, RunRecord, read_record
from dinobench.results.tables.cells import FigureKey, published_figures
from dinobench.results.tables.published import published_rows
from dinobench.results.tables.specs import load_tables, select_tables
from dinobench.runtime.collector import collector_paused
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe
from dinobench.runtime.names import inside
from dinobench.runtime.parquet_files import read_parquet_file
from dinobench.runtime.suggest import unknown

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "task",
    "protocol",
    "protocol_hash",
    "model",
    "card",
    "weights_sha256",
    "architecture",
    "family",
    "epoch",
    "data",
    "data_digest",
    "metric",
    "main",
    "value",
    "low",
    "high",
    "published",
    "difference",
    "comparable",
    "because",
    "error",
    "seconds",
    "images_per_second",
    "device",
    "date",
    "path",
)
_TEXTS = {"image": str, "label": str, "predicted": str}
"""Columns of kept files that are names, also where a class is called 7."""

_NUMBERS = ("value", "low", "high", "published", "difference", "seconds", "images_per_second")
_KINDS = {**dict.fromkeys(_NUMBERS, float), "main": bool, "comparable": bool}


@collector_paused()
def records(
    folder: Path | str = RECORDS,
    *,
    where: str = "",
    wide: bool = False,
    tasks_dir: Path | str | None = None,
    models_dir: Path | str | None = None,
    tables_dir: Path | str | None = None,
) -> pd.DataFrame:
    """The records of a folder: one row per record and metric, with the published figure beside ours.

    Args:
        folder: of the records.
        where: a condition on the columns in pandas' query language, such as "task == 'knn' and value > 60".
        wide: one row per model instead, one column per (task, metric).
        tasks_dir: folder with further task cards; likewise the two behind it.
        models_dir: see above.
        tables_dir: see above.

    Raises:
        InputError: a broken record, or a condition that names no column.
    """
    import pandas as pd

    store = RecordStore(Path(folder))
    published = published_figures(load_tables(tables_dir).values(), load_tasks(tasks_dir), load_models(models_dir))
    rows = [row for path, record in store.with_paths() for row in _rows_of(record, path, published)]
    frame = pd.DataFrame.from_records(rows, columns=list(COLUMNS)).astype(_KINDS)
    frame = _rows_where(frame, where) if where else frame
    if wide:
        good = frame[frame["metric"] != ""].sort_values("date")
        return good.pivot_table(index="model", columns=["task", "metric"], values="value", aggfunc="last")
    return frame


def published(table: str = "all", *, tables_dir: Path | str | None = None) -> pd.DataFrame:
    """Published figures: one row per row of a table, numbers as numbers; "all" puts a column `table` first.

    Raises:
        InputError: no such table.
    """
    import pandas as pd

    frames = []
    for spec in select_tables(table, tables_dir):
        frame = pd.DataFrame.from_records(published_rows(spec))
        for figure in spec.figures:
            frame[figure.name] = pd.to_numeric(frame[figure.name], errors="coerce")
        if table == "all":
            frame.insert(0, "table", spec.name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def kept_values(record: Path | str, columns: Iterable[str], kind: str) -> pd.DataFrame:
    """A CSV or Parquet file that a record kept, as a frame: the first that has `columns`.

    Raises:
        InputError: the record keeps no such file, or one that cannot be read.
    """
    path = Path(record)
    for name in read_record(path).files:
        file = inside(path.parent, name, f"file of {path}")
        frame = read_frame(file) if file.suffix in (".csv", ".parquet") and file.is_file() else None
        if frame is not None and set(columns) <= set(frame.columns):
            return frame
    raise InputError(f"{path} keeps no {kind}; run the task again with --set predictions=true")


def read_frame(file: Path) -> pd.DataFrame:
    """A CSV or Parquet file that a run kept; InputError where it cannot be read."""
    import pandas as pd

    if file.suffix == ".parquet":
        return read_parquet_file(file, SCORE_AGAIN).to_pandas()
    refuse_pipe(file)
    try:
        return pd.read_csv(file, keep_default_na=False, na_values=[""], dtype=_TEXTS)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}: {error}; {SCORE_AGAIN}") from error


def predictions(record: Path | str) -> pd.DataFrame:
    """What was said of every image of a record.

    Columns: image and value, of classifiers label and predicted, and what the image gives to each metric, by its name.
    """
    return kept_values(record, ("image", "value"), "value of every image")


def answers(record: Path | str) -> pd.DataFrame:
    """What a classifier said of every image of a record: columns image, label, predicted, value."""
    return kept_values(record, ("image", "label", "predicted", "value"), "class said of every image")


def per_class(record: Path | str) -> pd.DataFrame:
    """Accuracy of every class of a classifier's record, the lowest first: label, images, accuracy in percent."""
    return class_accuracies(answers(record))


def class_accuracies(frame: pd.DataFrame) -> pd.DataFrame:
    """`per_class` of a frame of `answers`."""
    groups = frame.groupby("label", sort=True)["value"]
    found: pd.DataFrame = groups.agg(images="size", accuracy="mean").reset_index()
    found["accuracy"] *= 100
    return found.sort_values(["accuracy", "label"], ignore_index=True)


def confusion(record: Path | str) -> pd.DataFrame:
    """How many images of each class (rows) a classifier's record says to be of each class (columns)."""
    import pandas as pd

    frame = answers(record)
    return pd.crosstab(frame["label"], frame["predicted"])


def frequent_confusions(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """The pairs of classes that a frame of `answers` confuses most: label, predicted, images."""
    wrong = frame[frame["label"] != frame["predicted"]]
    counts: pd.DataFrame = wrong.groupby(["label", "predicted"], sort=True).size().reset_index(name="images")
    return counts.sort_values("images", ascending=False, kind="stable", ignore_index=True).head(most)


def per_query(record: Path | str) -> pd.DataFrame:
    """The average precision of every query of a record, and what it gives to each metric."""
    return kept_values(record, ("image", "value"), "value of every query")


def per_object(record: Path | str) -> pd.DataFrame:
    """J, F and their mean of every object of a record."""
    return kept_values(record, ("image", "value"), "value of every object")


def _rows_of(record: RunRecord, path: Path, published: Mapping[FigureKey, float]) -> Iterable[tuple[Any, ...]]:
    for metric, value in record.metrics.items() or [("", None)]:
        theirs = published.get((record.model.card, record.task, record.protocol.name, metric))
        low, high = record.intervals.get(metric, (None, None))
        yield (
            record.task,
            record.protocol.name,
            record.protocol.hash,
            record.model.name,
            record.model.card,
            record.model.sha256,
            record.model.architecture,
            record.model.family,
            record.model.epoch,
            record.data_name,
            record.data_digest,
            metric,
            metric == record.main_metric,
            value,
            low,
            high,
            theirs,
            None if theirs is None or value is None or not record.comparable else value - theirs,
            record.comparable,
            "; ".join(record.because),
            record.error,
            record.seconds.get("total"),
            record.seconds.get("images_per_second"),
            record.device,
            record.date,
            str(path),
        )


def _rows_where(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Rows that meet a condition; a metric's name stands for its value, as in "top1 > 60"."""
    import pandas as pd

    names = {name for name in frame["metric"].unique() if name and name in condition}
    chosen = frame
    try:
        for name in sorted(names, key=len, reverse=True):
            if name not in frame.columns and _names_it(condition, name):
                chosen = chosen[chosen["metric"] == name].rename(columns={"value": name})
        found: pd.DataFrame = chosen.query(condition, engine="python")
    except pd.errors.UndefinedVariableError as error:
        raise unknown("column", str(error).split("'")[1], {*frame.columns, *filter(None, frame["metric"])}) from error
    except Exception as error:
        raise InputError(
            f"--where {condition!r} is not a condition: {error}; such as task == 'knn' and value > 60"
        ) from error
    return found.rename(columns=dict.fromkeys(names, "value"))


def _names_it(condition: str, name: str) -> bool:
    return re.search(rf"(?<![\w'\"]){re.escape(name)}(?![\w'\"])", condition) is not None
