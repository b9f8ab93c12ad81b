"""Every figure of a record, computed again from the files that it kept."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.metrics.average_precision import average_precision, eleven_point_precision, map_interval, mean_of_known
from dinobench.metrics.bootstrap import class_mean_interval, interval
from dinobench.metrics.class_areas import mean_intervals, segmentation_means
from dinobench.metrics.corruptions import mean_accuracy, mean_corruption_error
from dinobench.metrics.recognition import recognition_figures, recognition_intervals
from dinobench.results.compare import SCORE_AGAIN, read_values
from dinobench.results.records import RunRecord
from dinobench.runtime.errors import InputError
from dinobench.runtime.names import file_below
from dinobench.runtime.parquet_files import read_parquet_file

Array = NDArray[Any]
Columns = dict[str, Array]
IntervalOf = Callable[[int], tuple[float, float]]
"""From the seed of the bootstrap to the bounds."""

_SCORE, _TRUTH = "score:", "truth:"


@dataclass(frozen=True)
class Figure:
    """One figure, computed again.

    Attributes:
        metric: its name.
        value: what the kept values give.
        source: the file that they stand in, or "the record's details".
        interval_of: computes its 95% interval; None where it has none.
    """

    metric: str
    value: float
    source: str
    interval_of: IntervalOf | None = None


def recomputed_figures(record: RunRecord, folder: Path) -> Iterator[Figure]:
    """The figures that follow from the files of a record, whose names are relative to `folder`.

    Raises:
        InputError: a file cannot be read, or lacks a column.
    """
    yield from _from_details(record)
    for name in record.files:
        file = file_below(folder, name)
        if file is None:
            continue
        try:
            if file.name in _RULES:
                columns = _columns_of(file)
                yield from (Figure(*found) for found in _named(_RULES[file.name](columns, record), name))
            elif file.suffix == ".csv":
                yield from _from_csv(record, file, name)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise InputError(f"{name} does not hold what {record.task} keeps there ({error}); {SCORE_AGAIN}") from error


Found = tuple[str, float, IntervalOf | None]


def _named(found: Iterator[Found], name: str) -> Iterator[tuple[str, float, str, IntervalOf | None]]:
    return ((metric, value, name, bounds) for metric, value, bounds in found)


def _columns_of(file: Path) -> Columns:
    table = read_parquet_file(file, SCORE_AGAIN)
    return {name: table[name].to_numpy() for name in table.column_names}


def _mean(metric: str, values: Array) -> Found:
    known = values[~np.isnan(values)]
    return metric, float(known.mean()), lambda seed: interval(known, seed=seed)


def _from_images(columns: Columns, record: RunRecord) -> Iterator[Found]:
    """Means of columns that are called as their metric, and what follows from them."""
    for metric in record.metrics:
        if metric in columns:
            yield _mean(metric, columns[metric].astype(np.float64))
        elif draws := [name for name in columns if name.startswith(f"{metric.removesuffix('_std')}_draw")]:
            yield metric, float(np.std([columns[name].mean() for name in draws], ddof=1)), None
    if "mean_per_class" in record.metrics:
        yield _class_mean(columns["top1"] / 100, columns["label_number"])
    if any(name.startswith(_SCORE) for name in columns):
        yield from _from_class_scores(columns)


def _class_mean(correct: Array, labels: Array) -> Found:
    totals, counts = np.bincount(labels, correct), np.bincount(labels)

    def bounds(seed: int) -> tuple[float, float]:
        low, high = class_mean_interval(correct, labels, seed=seed)
        return 100 * low, 100 * high

    return "mean_per_class", 100 * float((totals[counts > 0] / counts[counts > 0]).mean()), bounds


def _from_class_scores(columns: Columns) -> Iterator[Found]:
    """Average precisions of the scores and labels of every class."""
    classes = [name.removeprefix(_SCORE) for name in columns if name.startswith(_SCORE)]
    scores = np.stack([columns[_SCORE + name] for name in classes], 1)
    truth = np.stack([columns[_TRUTH + name] for name in classes], 1).astype(np.int8)

    def bounds(seed: int) -> tuple[float, float]:
        low, high = map_interval(scores, truth, seed=seed)
        return 100 * low, 100 * high

    for metric, measure, edges in (("map", average_precision, bounds), ("map_11", eleven_point_precision, None)):
        by_class = [measure(*each) for each in zip(scores.T, truth.T, strict=True)]
        yield metric, 100 * mean_of_known(np.array(by_class)), edges


def _from_areas(columns: Columns, record: RunRecord) -> Iterator[Found]:
    """Means over classes of the pixels that truth and prediction share."""
    images = record.images[record.settings["split"]]
    areas = np.zeros((images, 3, int(columns["class"].max()) + 1), np.int64)
    for kind, name in enumerate(("common", "truth", "found")):
        areas[columns["image_number"], kind, columns["class"]] = columns[name]
    means = segmentation_means(areas.sum(0))
    for metric in ("miou", "macc", "aacc"):
        yield metric, 100 * float(getattr(means, metric)), _edges_of(areas, metric)
    majority = record.details["majority_class_number"]
    floor = np.zeros((3, max(areas.shape[2], majority + 1)), np.int64)
    floor[1, : areas.shape[2]] = areas[:, 1].sum(0)
    floor[0, majority], floor[2, majority] = floor[1, majority], floor[1].sum()
    yield "majority_miou", 100 * float(segmentation_means(floor).miou), None


def _edges_of(areas: Array, metric: str) -> IntervalOf:
    def bounds(seed: int) -> tuple[float, float]:
        low, high = mean_intervals(areas, seed=seed)[metric]
        return 100 * low, 100 * high

    return bounds


def _from_copies(columns: Columns, _: RunRecord) -> Iterator[Found]:
    for block in dict.fromkeys(columns["block"].tolist()):
        yield _mean(f"{block.replace('/', '_')}_map", columns["average_precision"][columns["block"] == block])


def _from_spectra(columns: Columns, record: RunRecord) -> Iterator[Found]:
    """Ranks, decay and uniformity from singular values, eigenvalues and terms of a mean."""
    from dinobench.metrics import spectrum  # torch takes seconds

    for metric in record.metrics:
        values, measure = columns["value"][columns["measure"] == metric], metric.partition("_")[0]
        if measure in ("rankme", "lidar"):
            yield metric, spectrum.effective_rank(values), None
        elif measure == "alpha":
            first, last = record.settings["first_rank"], record.settings["last_rank"]
            yield metric, spectrum.decay_exponent(values, first, last), None
        elif measure == "uniformity":
            yield metric, spectrum.log_mean(values), None


def _from_pairs(columns: Columns, _: RunRecord) -> Iterator[Found]:
    """Shares of the points of pairs of images that were found."""
    from dinobench.metrics.keypoint_matches import class_point_shares, point_intervals  # torch takes seconds

    classes = np.unique(columns["category"], return_inverse=True)[1]
    hits, still, points = (columns[name].astype(np.float64) for name in ("hits", "still", "points"))

    def bounds(kind: str) -> IntervalOf:
        def of_seed(seed: int) -> tuple[float, float]:
            low, high = point_intervals(hits, points, classes, seed=seed)[kind]
            return 100 * low, 100 * high

        return of_seed

    yield "pck", 100 * class_point_shares(hits, points, classes), bounds("class")
    yield "pck_point", 100 * float(hits.sum() / points.sum()), bounds("point")
    yield "still_pck", 100 * class_point_shares(still, points, classes), None


def _from_corruptions(columns: Columns, record: RunRecord) -> Iterator[Found]:
    """Means over corruptions of their errors."""
    names, errors = columns["corruption"], columns["error"]
    means = {str(name): float(errors[names == name].mean()) for name in dict.fromkeys(names.tolist())}
    yield "accuracy", mean_accuracy(means), None
    if "mce" in record.metrics:
        yield "mce", mean_corruption_error(means), None


def _from_answers(columns: Columns, _: RunRecord) -> Iterator[Found]:
    """GAP and accuracy of answers with their confidence."""
    answers = columns["correct"], columns["confidence"], columns["known"]

    def bounds(metric: str) -> IntervalOf:
        def of_seed(seed: int) -> tuple[float, float]:
            low, high = recognition_intervals(*answers, seed=seed)[metric]
            return 100 * low, 100 * high

        return of_seed

    for metric, value in recognition_figures(*answers).items():
        yield metric, 100 * value, bounds(metric)


_RULES: dict[str, Callable[[Columns, RunRecord], Iterator[Found]]] = {
    "predictions.parquet": _from_images,
    "areas.parquet": _from_areas,
    "copies.parquet": _from_copies,
    "spectra.parquet": _from_spectra,
    "pairs.parquet": _from_pairs,
    "corruptions.parquet": _from_corruptions,
    "answers.parquet": _from_answers,
}
"""By the name of a kept file."""


def _from_details(record: RunRecord) -> Iterator[Figure]:
    """What follows from times and histories that stand in the record itself."""
    source, details, metrics = "the record's details", record.details, record.metrics
    if "images_per_second" in metrics and "seconds" in details:
        rate = record.settings["batch_size"] / statistics.median(details["seconds"])
        yield Figure("images_per_second", rate, source)
        yield Figure("parameters_m", record.model.parameters / 1e6, source)
    if "best_epoch" in metrics and "history" in details:
        shares = [entry[details["best_epoch_chosen_on"]] for entry in details["history"]]
        yield Figure("best_epoch", 1 + shares.index(max(shares)), source)


def _from_csv(record: RunRecord, file: Path, name: str) -> Iterator[Figure]:
    """Of files that earlier versions wrote: the metrics that equal the mean of the column `value`.

    Raises:
        InputError: none does.
    """
    values = read_values(file)
    if not values:
        return
    found = 100 * np.array(list(values.values()))
    equal = [metric for metric, value in record.metrics.items() if same_figure(value, float(found.mean()))]
    if not equal:
        raise InputError(f"no figure of the record is the mean of the values in {name}, {found.mean():.4f}")
    for metric in equal:
        yield Figure(metric, float(found.mean()), name, lambda seed: interval(found, seed=seed))


def same_figure(value: float | None, other: float) -> bool:
    """Whether two figures are one but for the rounding of their last digits."""
    return value is not None and bool(np.isclose(value, other, rtol=1e-9, atol=1e-9))
