"""A small Table 7 and Figure 7 on the embedded mini data: which components matter, and what their absence is called.

    python benchmarks/table7.py [--epochs 8] [--rows 1,2,centering-alone] [--output results/demo]

Trains the recipes `mini+table7-row1` to `row9`, two more teachers of Figure 6, and centering and sharpening alone
(Figure 7), one after the other; a run that is already there is continued or kept. Writes table7.md and figure7.png.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dinobench.results.figures.curves import draw_curves, read_log
from dinobench.results.figures.theme import drawing
from dinobench.training import train
from dinobench.training.recipe_files import load_recipe

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
HEADINGS = ("row", "what", "20-NN on mini (%)", "entropy / ln K", "KL", "outputs in use", "diagnosis of the run",
            "published k-NN (%)")  # fmt: skip
PREAMBLE = """# Table 7 on mini

Every row was trained for {epochs} epochs from the same seed by `python benchmarks/table7.py --epochs {epochs}`: recipe
`mini` (ViT of 4 blocks, 32 px, 4,000 drawn images, K = {outputs}) with the row's own fields on top, nothing else tuned.

20-NN top-1 is the teacher's on the 1,000 validation images (95% interval: about 3 points either way; one seed); the
untrained network has {untrained:.1f}. Entropy of the teacher's targets, KL(teacher || student) and outputs in use (exp
of the entropy of a micro-batch's mean target: 1 where all images have one answer, K where none has any) are means of
the last epoch. The diagnosis is what the run itself printed. Published: ViT-S/16, ImageNet, 300 epochs.

"""


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
    """Every diagnosis and its epochs, the one that holds at the end in bold."""
    found: dict[str, list[str]] = {}
    for entry in epochs:
        if "diagnosis" in entry:
            found.setdefault(entry["diagnosis"], []).append(str(entry["epoch"]))
    last = epochs[-1].get("diagnosis")
    words = (f"{f'**{name}**' if name == last else name} (epoch {', '.join(when)})" for name, when in found.items())
    return "; ".join(words) or "none"


def cells(row: str, log: Sequence[dict[str, Any]], outputs: int) -> tuple[str, ...]:
    epochs = epochs_of(log)
    last = epochs[-1]
    return (
        row,
        WHAT[row],
        f"{last['knn']:.1f}",
        f"{last['entropy'] / math.log(outputs):.3f}",
        f"{last['kl']:.3f}" if "kl" in last else "-",
        f"{last['used']:.0f}" if "used" in last else "-",
        named(epochs),
        published().get(row, "-"),
    )


def _width(row: str) -> int:
    """Width of what a row's objective compares: outputs, or projections."""
    return load_recipe(f"mini+{ROWS[row]}").head_width


def table(logs: dict[str, list[dict[str, Any]]], epochs: int) -> str:
    untrained = epochs_of(next(iter(logs.values())))[0]["knn"]
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(cells(row, log, _width(row)) for row, log in logs.items())]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return PREAMBLE.format(epochs=epochs, outputs=load_recipe("mini").out_dim, untrained=untrained) + lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8)
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
        with drawing():
            draw_curves(curves, options.output / "figure7.png", quantities=("entropy", "kl", "knn"))


if __name__ == "__main__":
    main()
