"""How often `dinobench compare` says that two models differ where nothing differs: at or under 5% is right.

    python benchmarks/false_alarms.py [--trials 10000] [--power-trials 1000] [--images 144] [--seed-points 3]

Models of equal skill answer the same images, each image with its own difficulty. Where a task trains, every run of a
model is better or worse by a deviation of `--seed-points` points. `power` is how often the same verdict is given where
one model is truly better by `--truth` points; a rule that never says anything has no false alarms either.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dinobench.metrics.bootstrap import paired_difference
from dinobench.results.verdicts import DIFFER, LEVEL, holm, verdict, welch


def main() -> None:
    """Print one line per situation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="where nothing differs")
    parser.add_argument("--power-trials", type=int, default=1000, help="where one model is better")
    parser.add_argument("--images", type=int, default=144)
    parser.add_argument("--seed-points", type=float, default=3.0, help="deviation of a run's skill, in points")
    parser.add_argument("--truth", type=float, default=10.0, help="points between the models, for the power")
    given = parser.parse_args()
    noise = given.seed_points / 100
    situations: list[tuple[str, Callable[[np.random.Generator, float], bool]]] = [
        ("frozen features, one run each", lambda rng, by: alarm(rng, given.images, 1, 0.0, "knn", by)),
        ("frozen features, 1,000 images", lambda rng, by: alarm(rng, 1000, 1, 0.0, "knn", by)),
        ("frozen features, 5 models, 10 comparisons", lambda rng, by: any_alarm(rng, given.images, 5, by)),
        *(
            (
                f"fine-tuning, {runs} seeds each",
                lambda rng, by, runs=runs: alarm(rng, given.images, runs, noise, "finetune", by),
            )
            for runs in (1, 2, 3, 4, 8)
        ),
    ]
    print(f"{given.trials} trials, {given.images} images, seed deviation {given.seed_points:g} points")
    for title, run in situations:
        alarms, found = (
            np.mean([run(np.random.default_rng(trial), by) for trial in range(trials)])
            for by, trials in ((0.0, given.trials), (given.truth / 100, given.power_trials))
        )
        error = 1.96 * np.sqrt(max(alarms * (1 - alarms), 1e-9) / given.trials)
        rates = f"false alarms {100 * alarms:5.1f}% (+-{100 * error:.1f})  power {100 * found:5.1f}%"
        print(f"{title:<44} {rates}", flush=True)


def alarm(rng: np.random.Generator, images: int, runs: int, noise: float, evaluator: str, by: float) -> bool:
    """Whether the verdict on two models is that they differ; images are drawn again only where the runs differ."""
    skill = rng.beta(1.5, 1.5, images)
    a, b = (answers(rng, skill, runs, noise, shift) for shift in (by, 0.0))
    of_runs = welch(a.mean(1), b.mean(1)) or 0.0
    p_value = max(paired_difference(a, b).p_value, of_runs) if of_runs < LEVEL else of_runs
    return verdict(p_value, (runs, runs), evaluator, ("dino", "dino")) in DIFFER


def any_alarm(rng: np.random.Generator, images: int, models: int, by: float) -> bool:
    """Whether any comparison among several models says so, after the correction; with `by` the first one is better."""
    skill = rng.beta(1.5, 1.5, images)
    found = [answers(rng, skill, 1, 0.0, by if number == 0 else 0.0) for number in range(models)]
    p_values = [paired_difference(a, b).p_value for a, b in itertools.combinations(found, 2)]
    return any(verdict(p_value, (1, 1), "knn", ("dino", "dino")) in DIFFER for p_value in holm(p_values))


def answers(
    rng: np.random.Generator, skill: NDArray[np.float64], runs: int, noise: float, shift: float
) -> NDArray[np.float64]:
    """(R, M) right or wrong: each run has its own skill, each image its own difficulty."""
    luck = rng.normal(shift, noise, (runs, 1)) if noise else np.full((runs, 1), shift)
    return (rng.random((runs, len(skill))) < np.clip(skill + luck, 0, 1)).astype(np.float64)


if __name__ == "__main__":
    main()
