"""A record's figures in the tracker that the run named."""

from __future__ import annotations

from pathlib import Path

from dinobench.results.records import RunRecord
from dinobench.runtime.trackers import numbers_of, open_tracker


def track_record(record: RunRecord, folder: Path) -> None:
    """Give the metrics of a record to the tracker of its setting `log`, if any; `folder` is that of the records.

    Raises:
        InputError: the tracker's library is not installed.
    """
    about = {"model": record.model.name, "weights": record.model.sha256, "data": record.data.spec, **record.settings}
    tracker = open_tracker(record.settings.get("log", ""), folder / "files", record.name, about)
    if tracker is not None:
        tracker.log(numbers_of(record.metrics), 0)
        tracker.finish()
