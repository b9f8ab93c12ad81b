"""Whether a figure of ours is the published one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dinobench.results.records import RunRecord

MASKS = "scored from masks"
"""Stands among the warnings of a record whose network was not run here."""


@dataclass(frozen=True)
class CellVerdict:
    """What a published figure and ours say of each other.

    Attributes:
        kind: equal, within, differs, not comparable or missing.
        text: one line.
    """

    kind: str
    text: str


def judge(published: str, metric: str, record: RunRecord | None, advice: str = "") -> CellVerdict:
    """The verdict on one cell.

    Args:
        published: the figure as printed, "" for none.
        metric: of the record.
        record: of the cell's model, task and protocol; None where there is none.
        advice: what to do where there is none.
    """
    if record is None:
        return CellVerdict("missing", advice or "not measured yet")
    if record.failed:
        return CellVerdict("missing", f"failed: {record.error}")
    value = record.metrics.get(metric)
    if value is None:
        return CellVerdict("missing", f"the record has no {metric}")
    if not record.comparable:
        return CellVerdict("not comparable", f"{value:.2f}; not comparable: {'; '.join(record.because)}")
    if not published:
        return CellVerdict("within", f"{value:.2f}; the paper has no figure")
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


def newest(records: Iterable[RunRecord], model: str, task: str, protocol: str) -> RunRecord | None:
    """The record of a cell: a good one before a failed one, then the newest."""
    found = [
        record
        for record in records
        if (record.model.card, record.task, record.protocol.name) == (model, task, protocol)
    ]
    return max(found, key=lambda record: (not record.failed, not record.deviations, record.date), default=None)
