"""Another tool's result as a record of ours: marked as imported, and never comparable, since nothing proves it."""

from __future__ import annotations

import datetime
from pathlib import Path

from dinobench.results.importers import READERS
from dinobench.results.records import DataInfo, ModelInfo, ProtocolRef, RecordStore, RunRecord
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_text, require_regular, sha256_file
from dinobench.runtime.names import printable
from dinobench.runtime.suggest import unknown

_LARGEST = 64 << 20  # bytes; a log of 300 epochs has 100 KB


def import_record(path: Path, kind: str, folder: Path, model: str = "", data: str = "") -> tuple[Path, RunRecord]:
    """Read a result file and write its record.

    Args:
        path: of the file.
        kind: of READERS.
        folder: of the records.
        model: name of the network, where the file does not say it or says it otherwise.
        data: likewise of the data set.

    Raises:
        InputError: no such file or kind, not a file of that kind, or no model's name.
    """
    if kind not in READERS:
        raise unknown("kind of result file", kind, READERS)
    if require_regular(path).st_size > _LARGEST:
        raise InputError(f"{path} has more than {_LARGEST >> 20} MiB, too much for results; is it the right file?")
    found = READERS[kind](read_text(path), str(path))
    name = printable(model or found.model)
    if not name:
        raise InputError(f"{path} does not say which model it is of; give --model NAME")
    record = RunRecord(
        task=found.task,
        protocol=ProtocolRef(f"imported-{kind}"),
        main_metric=found.main_metric,
        model=ModelInfo(name, sha256=f"unknown: {name}"),
        data=DataInfo(spec=printable(data or found.data) or "unknown"),
        settings={"file": path.name, "file_sha256": sha256_file(path)},
        date=datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).isoformat(timespec="seconds"),
        device="",
        environment={},
        metrics=dict(found.metrics),
        details=dict(found.details or {}),
        because=(f"imported from {path.name}: nothing proves its model, data and settings",),
        imported=kind,
    )
    return RecordStore(folder).add(record), record
