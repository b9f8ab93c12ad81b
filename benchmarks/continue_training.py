"""Continue a trained network on images without labels, and ask labels afterwards: is it better, or at least no worse?

    python benchmarks/continue_training.py START DATA [--seeds 8] [--jobs 1] [--way WAY] [--set KEY=VALUE ...]

guarded: recipe continue-small with its guard by views. naive: the recipe that --naive-recipe names, at its own rate,
without guard. rate: guarded, with 30 times the learning rate. blank: guarded, with crops of one pixel, which show
nothing. Prints a row for each seed and the mean gain of all, with a bootstrap interval over seeds and images. The
figure is the weighted 20-NN accuracy of DATA's val split by its train split, of the start and of the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dinobench.data.open import open_dataset
from dinobench.metrics.bootstrap import Difference, paired_difference
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import RunFailedError
from dinobench.runtime.settings import parse_pairs
from dinobench.training.checkpoints import load
from dinobench.training.probe import KnnProbe
from dinobench.training.recipe_files import load_recipe
from dinobench.training.run import train

RATE = 30
BLANK = {"global_scale": [1e-5, 1e-5], "local_scale": [1e-5, 1e-5]}


def settings_of(asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The recipe's changes for one run."""
    given = {**parse_pairs(asked.settings), "init": asked.start, "seed": seed}
    if asked.way == "naive":
        drop = {"head_epochs", "warmup_epochs"}
        return {**{name: value for name, value in given.items() if name not in drop}, "architecture": "",
                "warmup_epochs": 0, "knn_every": 0}  # fmt: skip
    rate = load_recipe("continue-small", given).lr
    return {**given, "guard": "views", **({"lr": RATE * rate} if asked.way == "rate" else {}),
            **(BLANK if asked.way == "blank" else {})}  # fmt: skip


def right_answers(asked: argparse.Namespace, spec: str) -> np.ndarray:
    """100 for each image of val that its neighbors name rightly, else 0."""
    recipe = load_recipe("continue-small", {**parse_pairs(asked.settings), "init": asked.start, "knn_images": 10**6})
    probe = KnnProbe(open_dataset(asked.data, "train"), open_dataset(asked.data, "val"), recipe, torch.device("cpu"))
    return 100 * np.array(probe.correct(load_backbone(spec).backbone))


def continued(asked: argparse.Namespace, seed: int, folder: Path) -> int:
    """Train one run; how often it fell."""
    recipe = asked.naive_recipe if asked.way == "naive" else "continue-small"
    try:
        train(recipe, asked.data, folder, settings=settings_of(asked, seed), device="cpu")
    except RunFailedError as error:
        sys.stderr.write(f"{error}\n")
    progress = load(folder / "checkpoint.pth")["progress"]
    return int(progress["guard"]["falls"]) if progress else 0


def one_run(asked: argparse.Namespace, seed: int) -> tuple[np.ndarray, int, float]:
    """The answers at the end of one run, its falls and CPU seconds."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        falls = continued(asked, seed, Path(folder))
        return right_answers(asked, str(Path(folder) / "checkpoint.pth")), falls, time.process_time() - began


def _span(found: Difference) -> str:
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("start")
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--way", choices=("guarded", "naive", "rate", "blank"), default="guarded")
    parser.add_argument("--naive-recipe", default="imagenette64")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    start, ends = right_answers(asked, asked.start), list[np.ndarray]()
    error = float(start.std() / len(start) ** 0.5)
    _print(f"start {start.mean():.2f}, standard error {error:.2f}, {len(start)} images")
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        for seed, (end, falls, seconds) in enumerate(pool.map(partial(one_run, asked), range(asked.seeds))):
            ends.append(end)
            gain = _span(paired_difference(end, start))
            _print(f"| {asked.way} | {seed} | {end.mean():.2f} | {gain} | {falls} | {seconds:.0f} s |")
    kept = sum(end.mean() >= start.mean() - error for end in ends)
    mean = _span(paired_difference(np.array(ends), start))
    _print(f"{asked.way}: mean gain {mean}; {kept} of {len(ends)} end no lower than the start less its standard error")


if __name__ == "__main__":
    main()
