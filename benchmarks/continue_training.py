"""Continue a trained network on images without labels, and ask labels afterwards: is it better, or at least no worse?

    python benchmarks/continue_training.py START DATA [--images DATA] [--seeds 8] [--way WAY] [--set KEY=VALUE ...]

guarded: recipe continue-small with its guard by views. naive: the recipe that --naive-recipe names, at its own rate,
without guard. rate: guarded, with 30 times the learning rate. blank: guarded, with crops of one pixel, which show
nothing. Prints a row for each seed and the mean gain of all, with a bootstrap interval and a p-value over seeds and
images. The figure is the weighted 20-NN accuracy of the start and of the end, each labeled image of DATA asked by all
others. --images names what is trained on, if not the train split of DATA.
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
from torch.nn import functional as F

from dinobench.data.open import open_dataset
from dinobench.features.extract import extract_features
from dinobench.metrics.bootstrap import Difference, paired_difference
from dinobench.metrics.knn import vote
from dinobench.metrics.search.nearest import nearest
from dinobench.models.loading.spec import load_backbone
from dinobench.runtime.errors import RunFailedError
from dinobench.runtime.settings import parse_pairs
from dinobench.training.checkpoints import load
from dinobench.training.probe import K
from dinobench.training.recipe import Recipe
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
    """100 for each labeled image that its neighbors among all others name rightly, else 0."""
    loaded, size = load_backbone(spec), int(parse_pairs(asked.settings).get("global_size", Recipe().global_size))
    splits = [open_dataset(asked.data, split) for split in ("train", "val")]
    preprocessing = loaded.preprocessing.at(size)
    rows = F.normalize(torch.cat([extract_features(loaded.backbone, preprocessing, each) for each in splits]), dim=1)
    labels = torch.from_numpy(np.concatenate([each.labels for each in splits]))
    others = nearest(rows, [rows], K + 1).without(torch.arange(len(rows)))
    return 100 * (vote(others, labels, [K], 0.07).predicted(K) == labels).double().numpy()


def continued(asked: argparse.Namespace, seed: int, folder: Path) -> int:
    """Train one run; how often it fell."""
    recipe = asked.naive_recipe if asked.way == "naive" else "continue-small"
    try:
        train(recipe, asked.images or asked.data, folder, settings=settings_of(asked, seed), device="cpu")
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
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}], p {found.p_value:.4f}"


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("start")
    parser.add_argument("data")
    parser.add_argument("--images", default="", help="what is trained on, by default DATA")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--way", choices=("guarded", "naive", "rate", "blank"), default="guarded")
    parser.add_argument("--naive-recipe", default="imagenette64")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    start, ends = right_answers(asked, asked.start), list[np.ndarray]()
    error = float(start.std() / len(start) ** 0.5)
    _print(f"start {start.mean():.2f}, standard error {error:.2f}, {len(start)} images")
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
        for seed, (end, falls, seconds) in zip(seeds, pool.map(partial(one_run, asked), seeds), strict=True):
            ends.append(end)
            gain = _span(paired_difference(end, start))
            _print(f"| {asked.way} | {seed} | {end.mean():.2f} | {gain} | {falls} | {seconds:.0f} s |")
    kept = sum(end.mean() >= start.mean() - error for end in ends)
    mean = _span(paired_difference(np.array(ends), start))
    _print(f"{asked.way}: mean gain {mean}; {kept} of {len(ends)} end no lower than the start less its standard error")


if __name__ == "__main__":
    main()
