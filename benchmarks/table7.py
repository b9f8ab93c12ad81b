"""A small Table 7 and Figure 7 on the embedded mini data: which components matter, and what their absence is called.

    python benchmarks/table7.py [--epochs 10] [--rows 1,2,centering-alone] [--output results/demo]

Trains the recipes `mini+table7-row1` to `row9`, two more teachers of Figure 6, and centering and sharpening alone
(Figure 7), one after the other; a run that is already there is continued or kept. Writes table7.md and figure7.png.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dinobench.results.figures.curves import draw_curves, read_log
from dinobench.training import train

ROOT = Path(__file__).parents[1]
ROWS = {
    **{str(number): f"table7-row{number}" for number in range(1, 10)},
    "previous-iteration": "figure6-previous-iteration",
    "previous-epoch": "figure6-previous-epoch",
    "centering-alone": "figure7-centering-alone",
    "sharpening-alone": "figure7-sharpening-alone",
}
WHAT = {
    "1": "DINO",
    "2": "no momentum: the student is its own teacher",
    "3": "Sinkhorn-Knopp in place of the center",
    "4": "no multi-crop",
    "5": "mean squared error",
    "6": "predictor on the student",
    "7": "BYOL",
    "8": "MoCo-v2",
    "9": "SwAV",
    "previous-iteration": "Figure 6: teacher of the previous iteration",
    "previous-epoch": "Figure 6: teacher of the previous epoch",
    "centering-alone": "Figure 7: centering without sharpening",
    "sharpening-alone": "Figure 7: sharpening without centering",
}
FIGURE7 = {"1": "both", "centering-alone": "centering alone", "sharpening-alone": "sharpening alone"}
HEAD = (
    "| row | what | 20-NN on mini (%) | entropy / ln K | KL | diagnosis | published k-NN (%) |\n" + "|---" * 7 + "|\n"
)


def published() -> dict[str, str]:
    """k-NN accuracy on ImageNet by row: Table 7, and Figure 6 (right)."""
    with (ROOT / "results/published/table7_components.csv").open() as stream:
        found = {line["row"]: line["knn_top1"] for line in csv.DictReader(stream)}
    with (ROOT / "results/published/figure6_teacher.csv").open() as stream:
        figure6 = {line["teacher"]: line["knn_top1"] for line in csv.DictReader(stream)}
    return {**found, "previous-iteration": figure6["previous iter"], "previous-epoch": figure6["previous epoch"]}


def epochs_of(log: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in log if entry.get("kind") == "epoch"]


def named(epochs: Sequence[dict[str, Any]]) -> str:
    """The last diagnosis and the epochs that it was given in."""
    found = [entry for entry in epochs if "diagnosis" in entry]
    if not found:
        return "none"
    same = [str(entry["epoch"]) for entry in found if entry["diagnosis"] == found[-1]["diagnosis"]]
    return f"**{found[-1]['diagnosis']}** (epoch {', '.join(same)})"


def line(row: str, log: Sequence[dict[str, Any]], log_of_outputs: float) -> str:
    first, *_, last = epochs_of(log)
    divergence = f"{last['kl']:.3f}" if "kl" in last else "-"
    figures = f"{last['knn']:.1f} | {last['entropy'] / log_of_outputs:.3f} | {divergence}"
    return f"| {row} | {WHAT[row]} | {figures} | {named(epochs_of(log))} | {published().get(row, '-')} |\n"


def table(logs: dict[str, list[dict[str, Any]]], epochs: int) -> str:
    import math

    from dinobench.training.recipe import load_recipe

    untrained = epochs_of(next(iter(logs.values())))[0]["knn"]
    outputs = load_recipe("mini").out_dim
    head = (
        f"# Table 7 on mini\n\nEvery row trained {epochs} epochs from the same seed by `python benchmarks/table7.py "
        f"--epochs {epochs}`: recipe `mini` (ViT of 4 blocks, 32 px, 4,000 drawn images, K = {outputs}) with the row's\n"
        "own fields on top, nothing else tuned. 20-NN top-1 of the teacher on the 1,000 validation images (one seed: "
        f"about 3 points either way); the untrained network has {untrained:.1f}.\nEntropy of the teacher's targets "
        "and KL(teacher || student) are means of the last epoch. The diagnosis is the one that the run itself "
        "printed.\nPublished: ViT-S/16, ImageNet, 300 epochs.\n\n"
    )
    return head + HEAD + "".join(line(row, log, math.log(outputs)) for row, log in logs.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", default=",".join(ROWS), help="Comma-separated.")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs/table7")
    parser.add_argument("--output", type=Path, default=ROOT / "results/demo")
    options = parser.parse_args()
    settings = {"epochs": options.epochs, "knn_every": 1, "on_collapse": "continue"}
    logs = {}
    for row in options.rows.split(","):
        folder = train(f"mini+{ROWS[row]}", None, options.runs / f"row-{row}", settings=settings)
        logs[row] = read_log(folder / "log.jsonl")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "table7.md").write_text(table(logs, options.epochs), encoding="utf-8")
    curves = {name: logs[row] for row, name in FIGURE7.items() if row in logs}
    if curves:
        draw_curves(curves, options.output / "figure7.png", quantities=("entropy", "kl", "knn"))


if __name__ == "__main__":
    main()
