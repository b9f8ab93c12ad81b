"""Whether a figure of ours is the published one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dinobench.cards import ModelCard
from dinobench.results.records import RunRecord

MASKS = "scored from masks"
"""Stands among the warnings of a record whose network was not run here."""


@dataclass(frozen=True)
class CellVerdict:
    """What a published figure and ours say of each other.

    Attributes:
        kind: equal, within, differs, not comparable, no figure (the paper has none), no weights, missing, or rehearsed.
        text: one line.
    """

    kind: str
    text: str


def judge(
    published: str, metric: str, record: RunRecord | None, advice: str = "", *, none_released: bool = False
) -> CellVerdict:
    """The verdict on one cell.

    Args:
        published: the figure as printed, "" for none.
        metric: of the record.
        record: of the cell's model, task and protocol; None where there is none.
        advice: what to do where there is none.
        none_released: whether nobody released the weights.
    """
    if record is None:
        return CellVerdict("no weights" if none_released else "missing", advice or "not measured yet")
    if record.failed:
        return CellVerdict("missing", f"failed: {record.error}")
    value = record.metrics.get(metric)
    if value is None:
        return CellVerdict("missing", f"the record has no {metric}")
    if record.rehearsal:
        return CellVerdict("rehearsed", f"rehearsal: drawn weights ({value:.2f} on drawn images)")
    if not record.comparable:
        return CellVerdict("not comparable", f"{value:.2f}; not comparable: {'; '.join(record.because)}")
    if not published:
        return CellVerdict("no figure", f"{value:.2f}; the paper has no figure")
    found = _compare_values(published, value, record.intervals.get(metric))
    return replace(found, text=f"{found.text} ({MASKS})") if MASKS in record.warnings else found


def _compare_values(published: str, value: float, interval: tuple[float, float] | None) -> CellVerdict:
    decimals = len(published.partition(".")[2])
    theirs = float(published)
    if round(value, decimals) == theirs:
        return CellVerdict("equal", f"{value:.{decimals}f} equals the published figure")
    difference = f"{value - theirs:+.{max(decimals, 1)}f}"
    if interval and interval[0] <= theirs <= interval[1]:
        return CellVerdict(
            "within", f"{value:.{decimals}f}, {difference}; the 95% interval holds the published {published}"
        )
    return CellVerdict("differs", f"{value:.{decimals}f} differs by {difference} from the published {published}")


def without_weights(card: ModelCard) -> CellVerdict | None:
    """The verdict on the cells of a model whose weights nobody released; None for others."""
    if card.released:
        return None
    if not card.recipe:
        return CellVerdict("no weights", f"no weights are released: {card.because}")
    return CellVerdict("no weights", f"no weights: recipe {card.recipe} trains them")


def newest(
    records: Iterable[RunRecord], model: str, task: str, protocol: str, *, rehearsal: bool = False
) -> RunRecord | None:
    """The record of a cell: a good one before a failed one, then the newest; of a rehearsal, or of real runs alone."""
    found = [
        record
        for record in records
        if (record.model.card, record.task, record.protocol.name) == (model, task, protocol)
        and record.rehearsal is rehearsal
    ]
    return max(found, key=lambda record: (not record.failed, not record.deviations, record.date), default=None)
