"""Training curves from a run's log.jsonl."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from dinobench.results.figures.theme import save_figure
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe

PANELS = {
    "loss": "loss",
    "entropy": "teacher entropy (nats)",
    "kl": "KL(teacher || student) (nats)",
    "lr": "learning rate",
    "knn": "online k-NN top-1 (%)",
}
_COLUMNS = 3  # panels side by side; more would make their letters small on a page
_DOTTED = 12  # points that are marked, for a line through one of them is none
_LEGEND = 12  # runs; more names would hide the lines

Log = Sequence[Mapping[str, Any]]


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of a log.jsonl; a last line cut off by a kill is left out.

    Raises:
        InputError: no such file, or an earlier line that is not JSON.
    """
    refuse_pipe(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"cannot read the log {path}: {reason}") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise InputError(f"{path}, line {number}, is not JSON; was the log edited?") from error
            break
        if not isinstance(entry, dict):
            raise InputError(f"{path}, line {number}, holds no named values; was the log edited?")
        entries.append(entry)
    return entries


def series(log: Log, name: str) -> tuple[list[float], list[float]]:
    """Epochs and values of one quantity, where the log has it."""
    points = [(float(entry["epoch"]), float(entry[name])) for entry in log if _has_curve(entry, name)]
    return [epoch for epoch, _ in points], [value for _, value in points]


def _has_curve(entry: Mapping[str, Any], name: str) -> bool:
    # A line of kind "epoch" repeats the steps' means and adds the k-NN probe.
    repeated = entry.get("kind") == "epoch" and name != "knn"
    return not repeated and isinstance(entry.get("epoch"), int | float) and isinstance(entry.get(name), int | float)


def draw_curves(
    logs: Mapping[str, Log],
    target: Path,
    levels: Mapping[str, float] = {},
    quantities: Collection[str] = tuple(PANELS),
) -> None:
    """One panel per quantity, one line per run, in the format of the file's ending.

    Args:
        logs: entries of log.jsonl by run name.
        target: the picture's file.
        levels: dashed horizontal lines in the k-NN panel, such as {"raw pixels": 20.1}.
        quantities: which of PANELS.
    """
    from matplotlib import pyplot as plt

    panels = [name for name in PANELS if name in quantities and any(series(log, name)[0] for log in logs.values())]
    if not panels:
        raise InputError("no run has anything to draw yet; train for at least one logged step")
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.8 * columns, 3.0 * lines), squeeze=False, layout="constrained"
    )
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, panels, strict=False):
        for run, log in logs.items():
            epochs, values = series(log, name)
            mark = "o" if len(epochs) <= _DOTTED else ""
            axis.plot(epochs, values, label=run, linewidth=1.3, marker=mark, markersize=3.5)
        for label, level in levels.items() if name == "knn" else ():
            axis.axhline(level, linestyle="--", linewidth=0.9, color="0.4")
            beside = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            words = axis.annotate(label, (1, level), xycoords=("axes fraction", "data"), fontsize=9, **beside)
            words.set_in_layout(len(panels) % columns == 0)  # else the cell beside, which is empty, takes them
        axis.set_title(PANELS[name], fontsize=11)
        axis.set_xlabel("epoch", fontsize=10)
        axis.tick_params(labelsize=9)
    if len(logs) <= _LEGEND:
        handles, names = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, names, fontsize=10, loc="outside lower center", ncols=min(4, len(logs)), frameon=False)
    save_figure(figure, target)
