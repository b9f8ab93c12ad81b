"""Paired differences with their intervals, one line each: a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dinobench.results.compare import Comparison
from dinobench.results.figures.theme import save_figure, short_label


def draw_forest(comparisons: Sequence[Comparison], labels: Sequence[str], target: Path) -> None:
    """Draw differences from zero; those that the verdict calls real are filled.

    Args:
        comparisons: from top to bottom.
        labels: one for each.
        target: the picture's file.
    """
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 0.9 + 0.32 * len(comparisons)), layout="constrained")
    for place, each in enumerate(comparisons):
        found = each.difference
        bounds = [[found.value - found.low], [found.high - found.value]]
        fill = "full" if each.differs else "none"
        axis.errorbar(found.value, place, xerr=bounds, fmt="o", fillstyle=fill, color="C0", capsize=3, linewidth=1.2)
    axis.axvline(0.0, linewidth=0.8, color="0.5")
    axis.set_yticks(range(len(comparisons)), [short_label(label) for label in labels], fontsize=8)
    axis.set_ylim(len(comparisons) - 0.5, -0.5)
    axis.set_xlabel("difference in points, 95% interval", fontsize=8)
    axis.tick_params(labelsize=8)
    save_figure(figure, target)
