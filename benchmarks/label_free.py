"""Do measures without labels rank networks as labels do? Kendall's tau beside 20-NN, over short trainings.

    python benchmarks/label_free.py DATA RUNS [--rows NAME,...] [--also RUN ...] [--set KEY=VALUE ...]

Trains `mini+NAME` on DATA's training images below RUNS for every NAME, and keeps a snapshot of every epoch; a run that
is there is kept. Scores each snapshot, and those of the runs of --also, by the tasks `label-free` and `knn` on DATA
into RUNS/scores.csv, and prints the table of taus: of all snapshots, of those of runs that are not meant to collapse,
and of the last snapshot of each run. A tau is positive where a measure agrees with the accuracy in the sense of its
paper: more RankMe and LiDAR, an alpha near 1, less uniformity, less alignment. Its 95% interval draws runs, each with
all its snapshots, since these resemble each other.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from dinobench import pipeline
from dinobench.runtime.settings import parse_pairs
from dinobench.training import train

COLLAPSING = ("table7-row2", "figure7-centering-alone", "figure7-sharpening-alone", "figure6-previous-iteration")
"""Rows that the paper reports as collapsed, or shows as such."""
ROWS = (*(f"table7-row{number}" for number in (1, 3, 4, 5, 7, 8, 9)), *COLLAPSING)
BETTER: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rankme": lambda values: values,
    "lidar": lambda values: values,
    "alpha": lambda values: -abs(values - 1),
    "uniformity": lambda values: -values,
    "alignment": lambda values: -values,
}
REPEATS = 2000
Row = dict[str, Any]


def train_rows(asked: argparse.Namespace) -> list[Path]:
    """The folders of all runs."""
    settings = {"keep_every": 1, "knn_every": 0, "on_collapse": "continue", **parse_pairs(asked.settings)}
    folders = [asked.runs / name for name in asked.rows.split(",")]
    for folder in folders:
        if not (folder / "done").exists():
            train(f"mini+{folder.name}", asked.data, folder, settings=settings)
            (folder / "done").touch()
    return [*folders, *asked.also]


def scores_of(checkpoint: Path, asked: argparse.Namespace) -> Row:
    """One line of the table of scores."""
    records = pipeline.evaluate("label-free,knn", str(checkpoint), asked.data, output=asked.runs / "records")
    figures = {name: value for record in records for name, value in record.metrics.items()}
    measures = {name: figures.get(name, "") for name in BETTER}
    return {"run": checkpoint.parent.name, "snapshot": checkpoint.stem, "knn": figures["top1"], **measures}


def all_scores(asked: argparse.Namespace) -> list[Row]:
    """Of every snapshot; what RUNS/scores.csv holds is not scored again."""
    path = asked.runs / "scores.csv"
    found: list[Row] = list(csv.DictReader(path.open())) if path.exists() else []
    known = {(each["run"], each["snapshot"]) for each in found}
    for folder in train_rows(asked):
        for checkpoint in sorted(folder.glob("checkpoint0*.pth")):
            if (folder.name, checkpoint.stem) in known:
                continue
            found.append(scores_of(checkpoint, asked))
            with path.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, list(found[0]))
                writer.writeheader()
                writer.writerows(found)
    return found


def tau_of(rows: Sequence[Row], measure: str) -> float:
    """Kendall's tau-b of a measure beside the accuracy, over the snapshots that have it; NaN where it has none."""
    pairs = np.array([(row[measure], row["knn"]) for row in rows if row[measure] not in ("", None)], dtype=np.float64)
    if len(pairs) < 2:
        return float("nan")
    return float(kendalltau(BETTER[measure](pairs[:, 0]), pairs[:, 1]).statistic)


def tau_and_interval(rows: Sequence[Row], measure: str) -> str:
    """The tau, and its interval when runs are drawn again, each with all its snapshots."""
    of_run: dict[str, list[Row]] = {}
    for row in rows:
        of_run.setdefault(row["run"], []).append(row)
    runs, rng = list(of_run.values()), np.random.default_rng(0)
    drawn = []
    for _ in range(REPEATS):
        chosen = rng.integers(len(runs), size=len(runs))
        drawn.append(tau_of([row for number in chosen for row in runs[number]], measure))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return f"{tau_of(rows, measure):+.2f} ({low:+.2f} to {high:+.2f})"


def table(rows: Sequence[Row]) -> str:
    """Taus of every measure over all snapshots, those that are not meant to collapse, and the last of each run."""
    sound = [row for row in rows if row["run"] not in COLLAPSING]
    last = list({row["run"]: row for row in rows}.values())
    groups = {"all": rows, "without collapsed": sound, "last of each run": last}
    heading = ["measure", *(f"{name} ({len(each)})" for name, each in groups.items())]
    cells = [[measure, *(tau_and_interval(each, measure) for each in groups.values())] for measure in BETTER]
    return "".join(f"| {' | '.join(row)} |\n" for row in [heading, ["---"] * len(heading), *cells])


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--rows", default=",".join(ROWS), help="Comma-separated.")
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="Folders of runs with kept checkpoints.")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    asked.runs.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(table(all_scores(asked)))


if __name__ == "__main__":
    main()
