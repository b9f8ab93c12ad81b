"""Figures that the report draws: curves of runs, paired differences, accuracy against speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dinobench.results.compare import Comparison
from dinobench.results.figures.curves import Log, draw_curves, read_log
from dinobench.results.figures.forest import draw_forest
from dinobench.results.figures.speed import draw_speed
from dinobench.results.figures.theme import draw_both
from dinobench.results.records import RunRecord
from dinobench.results.report_pictures import Picture

UNTRAINED = frozenset({"pixels", "random"})
_SPEED = "images_per_second"
Draw = Callable[[Path], None]
"""Draws one picture into the file that it is given."""


@dataclass(frozen=True)
class ForestPlot:
    """The best model of a task less each of the others: as a picture, and in words for those who do not see it."""

    title: str
    picture: Picture
    rows: tuple[tuple[str, str, str, str], ...]


def curve_pictures(logs: Sequence[Path], output: Path, records: Sequence[RunRecord]) -> list[Picture]:
    """All runs on one picture where there are several, then each run with its baselines."""
    runs = {log.parent.name: entries for log in logs if (entries := read_log(log))}
    pictures = [_draw_runs("All runs", runs, {}, output, "all-runs")] if len(runs) > 1 else []
    for log in logs:
        if (name := log.parent.name) in runs:
            pictures.append(_draw_runs(name, {name: runs[name]}, baselines(records, log.parent), output, f"run-{name}"))
    return pictures


def _draw_runs(caption: str, runs: Mapping[str, Log], levels: Mapping[str, float], output: Path, name: str) -> Picture:
    return _picture(caption, "curves", name, output, partial(draw_curves, runs, levels=levels))


def baselines(records: Sequence[RunRecord], run: Path) -> dict[str, float]:
    """k-NN figures of raw pixels and random networks on the data on which `run` was scored, by model name."""
    scored = [record for record in records if record.task == "knn" and not record.failed]
    own = {record.data.spec for record in scored if _is_place(record.model.spec, run)}
    untrained = [record for record in scored if record.model.family in UNTRAINED and record.data.spec in own]
    return {record.model.name: record.metrics[record.main_metric] or 0.0 for record in untrained}


def _is_place(spec: str, folder: Path) -> bool:
    """Whether a model's SPEC is the path of a folder; a SPEC that no path can be is of another."""
    try:
        return Path(spec).resolve() == folder.resolve()
    except (OSError, ValueError):
        return False


def forest_plots(groups: Sequence[Sequence[Comparison]], labels: Mapping[str, str], output: Path) -> list[ForestPlot]:
    """One plot a group of comparisons with the same best model."""
    plots = []
    for number, group in enumerate(groups):
        best = group[0].record_a
        names = [f"less {labels[each.record_b.model.sha256]}" for each in group]
        title = f"{best.task}@{best.protocol.name} on {best.data_name}: {labels[best.model.sha256]} less the others"
        picture = _picture(title, "comparisons", f"forest-{number}", output, partial(draw_forest, group, names))
        rows = tuple(_in_words(each, name) for each, name in zip(group, names, strict=True))
        plots.append(ForestPlot(title, picture, rows))
    return plots


def _in_words(comparison: Comparison, name: str) -> tuple[str, str, str, str]:
    found = comparison.difference
    interval = f"{found.low:+.2f} to {found.high:+.2f}"
    return name, f"{found.value:+.2f}", interval, f"p = {comparison.p_value:.3g}: {comparison.verdict}"


def speed_pictures(records: Sequence[RunRecord], labels: Mapping[str, str], output: Path) -> list[Picture]:
    """The main figure of every task, protocol and data against images per second, device by device."""
    speeds = {
        (record.model.sha256, record.device): speed
        for record in records
        if (speed := record.metrics.get(_SPEED) or record.seconds.get(_SPEED))
    }
    groups: dict[tuple[str, ...], dict[str, tuple[float, float]]] = {}
    for record in records:
        for (sha256, device), speed in speeds.items():
            if sha256 == record.model.sha256 and record.value is not None and record.main_metric != _SPEED:
                key = (f"{record.task}@{record.protocol.name} on {record.data_name}", record.data_digest, device)
                points = groups.setdefault((*key, record.main_metric), {})
                points.setdefault(labels[sha256], (speed, record.value))
    pictures = []
    for number, ((title, _, device, metric), points) in enumerate(groups.items()):
        if len(points) > 1:
            caption = f"{title}, against images per second on {device}"
            pictures.append(_picture(caption, "speed", f"speed-{number}", output, partial(draw_speed, points, metric)))
    return pictures


def _picture(caption: str, folder: str, name: str, output: Path, draw: Draw) -> Picture:
    draw_both(draw, output / folder, name)
    return Picture(caption, f"{folder}/{name}.svg", dark=f"{folder}/{name}.dark.svg")
