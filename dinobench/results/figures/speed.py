"""Figures against images per second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dinobench.results.figures.theme import save_figure, short_label


def draw_speed(points: Mapping[str, tuple[float, float]], metric: str, target: Path) -> None:
    """Draw one named point a model.

    Args:
        points: images per second and the figure, by the model's label.
        metric: name of the figure.
        target: the picture's file.
    """
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
    for label, (speed, value) in points.items():
        axis.plot(speed, value, "o", color="C0")
        axis.annotate(short_label(label), (speed, value), textcoords="offset points", xytext=(5, 4), fontsize=7)
    axis.set_xscale("log")
    axis.set_xlabel("images per second", fontsize=8)
    axis.set_ylabel(metric, fontsize=8)
    axis.margins(0.15)
    axis.tick_params(labelsize=7, which="both")
    save_figure(figure, target)
