"""Result files of other tools as figures: of the released code, DINOv2, DINOv3, DAVIS, mteb and CLIP_benchmark."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import json_value

_MAIN_K = 20
_RELEASED_KNN = re.compile(r"(\d+)-NN classifier result: Top1: ([^\s,]+), Top5: ([^\s,]+)")
_DINOV2_KNN = re.compile(r"(?:\('?(\w+)'?, )?(\d+)\)? Top ([15])")
_DAVIS = {
    "J&F-Mean": "jf_mean",
    "J-Mean": "j_mean",
    "J-Recall": "j_recall",
    "J-Decay": "j_decay",
    "F-Mean": "f_mean",
    "F-Recall": "f_recall",
    "F-Decay": "f_decay",
}


@dataclass(frozen=True)
class FoundFigures:
    """What a result file holds.

    Attributes:
        task: one of ours where the file's is the same by name, else the other tool's own name.
        main_metric: among `metrics`.
        metrics: in percent.
        model, data: as the file calls them; "" where it does not say.
        details: what else it states, such as the classifier that was best.
    """

    task: str
    main_metric: str
    metrics: Mapping[str, float]
    model: str = ""
    data: str = ""
    details: Mapping[str, Any] | None = None


def read_released_log(text: str, where: str) -> FoundFigures:
    """`log.txt` of the released linear evaluation: one JSON object an epoch, with test_acc1."""
    epochs = [entry for entry in _json_lines(text, where) if "test_acc1" in entry]
    if not epochs:
        raise InputError(f"{where} holds no test_acc1; give the log.txt of a linear evaluation, not of a training")
    values = [_percent(entry["test_acc1"], "test_acc1", where) for entry in epochs]
    metrics = {"top1_best": max(values), "top1": values[-1]}
    if "test_acc5" in epochs[-1]:
        metrics["top5"] = _percent(epochs[-1]["test_acc5"], "test_acc5", where)
    return FoundFigures("linear", "top1_best", metrics, details={"epochs": len(epochs)})


def read_released_knn(text: str, where: str) -> FoundFigures:
    """Lines that the released k-NN evaluation prints, among others."""
    metrics = {}
    for k, *tops in _RELEASED_KNN.findall(text):
        for top, value in zip((1, 5), tops, strict=True):
            metrics[_knn_metric(int(k), top)] = _percent(value, f"{k}-NN top-{top}", where)
    return _knn_figures(metrics, where)


def read_davis(text: str, where: str) -> FoundFigures:
    """`global_results-val.csv` of davis2017-evaluation: one line of fractions."""
    row = _only_row(text, where)
    if "J&F-Mean" not in row:
        raise InputError(f"{where} has no column J&F-Mean; give the official global_results CSV")
    metrics = {ours: _share(row[theirs], theirs, where) for theirs, ours in _DAVIS.items() if theirs in row}
    return FoundFigures("davis", "jf_mean", metrics)


def read_dinov2(text: str, where: str) -> FoundFigures:
    """`results_eval_knn.json` or `results_eval_linear.json` of DINOv2: an object a line, "iter: N" before each step."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("iter:")]
    merged = {key: value for entry in _json_lines("\n".join(lines), where) for key, value in entry.items()}
    if "best_classifier" not in merged:
        return _knn_figures(_dinov2_knn(merged, where), where)
    best = merged["best_classifier"]
    if not isinstance(best, dict) or "accuracy" not in best:
        raise InputError(f"{where} has a best_classifier without its accuracy; run the evaluation again")
    metrics = {"top1_best": _share(best["accuracy"], "accuracy", where)}
    return FoundFigures("linear", "top1_best", metrics, details={"best_classifier": str(best.get("name", ""))})


def read_dinov3(text: str, where: str) -> FoundFigures:
    """`results-knn.csv`, `results-linear.csv` or `results-log-regression.csv` of DINOv3: one line, in percent."""
    row = _only_row(text, where)
    if "top-1" in row:
        tops = [name for name in ("top-1", "top-5") if name in row]
        metrics = {name.replace("-", ""): _percent(row[name], name, where) for name in tops}
        return FoundFigures("logistic", "top1", metrics)
    accuracies = [name for name in row if name.endswith("_accuracy")]
    if not accuracies:
        return _knn_figures(_dinov2_knn(row, where), where)
    (first, *_), best = accuracies, row.get("best_classifier", "")
    metrics = {"top1_best": _percent(row[first], first, where)}
    return FoundFigures(
        "linear", "top1_best", metrics, data=first.removesuffix("_accuracy"), details={"best_classifier": best}
    )


def read_mteb(text: str, where: str) -> FoundFigures:
    """A task's JSON of mteb: scores by split and language subset, in fractions; the model's name is not in it."""
    raw = _json_object(text, where, ("task_name", "scores"))
    splits = raw["scores"]
    found = [
        (split, entry)
        for split, entries in (splits.items() if isinstance(splits, dict) else ())
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and "main_score" in entry
    ]
    if not found:
        raise InputError(f"{where} has no main_score; give one task's result of mteb")
    metrics = {_mteb_metric(split, entry): _share(entry["main_score"], "main_score", where) for split, entry in found}
    details = {name: str(raw[name]) for name in ("mteb_version", "dataset_revision") if raw.get(name)}
    return FoundFigures(f"mteb {raw['task_name']}", next(iter(metrics)), metrics, "", str(raw["task_name"]), details)


def _mteb_metric(split: str, entry: Mapping[str, Any]) -> str:
    """The split, with the subset behind it where there are several."""
    subset = str(entry.get("hf_subset", "default"))
    return split if subset == "default" else f"{split}_{subset}"


def read_clip_benchmark(text: str, where: str) -> FoundFigures:
    """A result JSON of CLIP_benchmark: its metrics are fractions."""
    raw = _json_object(text, where, ("dataset", "model", "task", "metrics"))
    values = raw["metrics"] if isinstance(raw["metrics"], dict) else {}
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    if not numbers:
        raise InputError(f"{where} has no metrics; run the benchmark again")
    metrics = {name: _share(value, name, where) for name, value in numbers.items()}
    known = ("acc1", "lp_acc1", "mean_average_precision")
    main = next(name for name in (*known, *metrics) if name in metrics)
    model = " ".join(str(raw[name]) for name in ("model", "pretrained") if raw.get(name))
    return FoundFigures(f"clip_benchmark {raw['task']}", main, metrics, model, str(raw["dataset"]))


Reader = Callable[[str, str], FoundFigures]
READERS: Mapping[str, Reader] = {
    "dino-log": read_released_log,
    "dino-knn": read_released_knn,
    "davis": read_davis,
    "dinov2": read_dinov2,
    "dinov3": read_dinov3,
    "mteb": read_mteb,
    "clip-benchmark": read_clip_benchmark,
}
"""Every kind of result file, by the name that `--as` takes."""


def _knn_metric(k: int, top: int) -> str:
    return f"top{top}" if k == _MAIN_K else f"top{top}_k{k}"


def _knn_figures(metrics: Mapping[str, float], where: str) -> FoundFigures:
    if not metrics:
        raise InputError(f"{where} holds no figure of k-NN; give what the evaluation printed or wrote, whole")
    return FoundFigures("knn", "top1" if "top1" in metrics else next(iter(metrics)), metrics)


def _dinov2_knn(values: Mapping[str, Any], where: str) -> dict[str, float]:
    """Figures over all labels; those of few labels a class are left out."""
    metrics = {}
    for name, value in values.items():
        found = _DINOV2_KNN.fullmatch(name)
        if found and found[1] in (None, "full"):
            metrics[_knn_metric(int(found[2]), int(found[3]))] = _percent(value, name, where)
    return metrics


def _json_lines(text: str, where: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            entry = json_value(line, f"{where}, line {number},")
            if not isinstance(entry, dict):
                raise InputError(f"{where}, line {number}, holds no named values; is it the right file?")
            yield entry


def _json_object(text: str, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    raw = json_value(text, where)
    if not isinstance(raw, dict) or not all(name in raw for name in names):
        raise InputError(f"{where} does not have {', '.join(names)}; is it the right file?")
    return raw


def _only_row(text: str, where: str) -> dict[str, str]:
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InputError(f"{where} is not CSV ({error}); is it the right file?") from error
    if len(rows) != 1:
        raise InputError(f"{where} has {len(rows)} rows where one is expected; is it the right file?")
    return {name.strip(): value or "" for name, value in rows[0].items() if name}


def _percent(value: object, name: str, where: str) -> float:
    return _bounded(value, name, where, 0.0, 100.0)


def _share(value: object, name: str, where: str) -> float:
    """A fraction, as percent; 0.8569 becomes 85.69 and not 85.69000000000001."""
    least = -1.0 if name.endswith("Decay") else 0.0
    return round(100 * _bounded(value, name, where, least, 1.0), 10)


def _bounded(value: object, name: str, where: str, least: float, most: float) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise InputError(
            f"{where}: {name} is {str(value)[:40]!r}, no figure from {least:g} to {most:g}; is it the right file?"
        )
    return number
