"""What a paired comparison allows to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
TRAINED = "dinobench"
"""Family of the checkpoints that `dinobench train` writes."""
ALIKE = "no difference beyond chance"
UNKNOWN = "cannot tell from one seed each: this task trains, and the noise of its seed is not in the interval"
NETWORKS = "the two networks differ; whether their trainings do cannot be told from one seed each"
DIFFER = frozenset({"A and B differ", NETWORKS})
"""Verdicts that say that two networks differ."""

TRAINING_EVALUATORS = frozenset({"finetune", "linear"})


def mcnemar(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Two-sided exact p-value of McNemar's test of two classifiers on the same images.

    Args:
        a: (M,) 1 where right, 0 where wrong.
        b: likewise.

    Returns:
        The p-value; None where the values are not right or wrong.
    """
    from scipy.stats import binomtest

    if not np.isin(a, (0, 1)).all() or not np.isin(b, (0, 1)).all():
        return None
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0


def welch(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Two-sided p-value of Welch's t-test on the means of runs: it knows how little few runs say of their spread.

    Args:
        a: (R,) mean of each run.
        b: (S,) likewise.

    Returns:
        The p-value; None where a side has one run.
    """
    from scipy.stats import ttest_ind_from_stats

    if min(len(a), len(b)) < 2:
        return None
    spread = float(a.std(ddof=1)), float(b.std(ddof=1))
    if max(spread) == 0:
        return float(a.mean() == b.mean())
    found = ttest_ind_from_stats(a.mean(), spread[0], len(a), b.mean(), spread[1], len(b), equal_var=False)
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for being looked at together (Holm's step-down method), in the order given."""
    order = np.argsort(p_values)
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def verdict(p_value: float, runs: tuple[int, int], evaluator: str, families: tuple[str, str]) -> str:
    """One sentence on A and B.

    Args:
        p_value: corrected where several comparisons were made.
        runs: how many seeds stand behind A and B.
        evaluator: of the task.
        families: of the two networks.
    """
    differ, one_seed = p_value < LEVEL, min(runs) == 1
    if one_seed and evaluator in TRAINING_EVALUATORS:
        return UNKNOWN
    if not differ:
        return ALIKE
    if one_seed and TRAINED in families:
        return NETWORKS
    return "A and B differ"
