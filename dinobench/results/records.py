"""Run records: one JSON file per task, model and protocol, written atomically."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinobench.runtime.console import notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_text_atomically

SCHEMA = 1
RECORDS = Path("results/records")
"""Where runs write, and tables read, unless told otherwise."""


@dataclass(frozen=True)
class RunRecord:
    """Everything needed to trust, repeat and place one figure.

    Attributes:
        task, protocol: names; `protocol` holds name, version and hash.
        metrics: figures by name; `intervals` their 95% bootstrap bounds.
        model: name, spec, card, family, architecture, sha256 of the tensors, source, parameters, preprocessing.
        data: spec, and per split the manifest's digest, images and classes.
        settings: every setting of the run, seeds included.
        seconds: wall time by phase; `images_per_second` of the forward pass where the task measured it.
        comparable: whether the figure may stand beside the published one; `because` says why not.
        error: one line where the task failed; then there are no metrics.
        deviations: the settings among them that may move the figure and are not the defaults.
    """

    task: str
    protocol: dict[str, Any]
    main_metric: str
    model: dict[str, Any]
    data: dict[str, Any]
    settings: dict[str, Any]
    date: str
    device: str
    environment: dict[str, Any]
    metrics: dict[str, float | None] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    warnings: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    comparable: bool = False
    because: tuple[str, ...] = ()
    error: str = ""
    deviations: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def failed(self) -> bool:
        """Whether the task stopped with an error."""
        return bool(self.error)

    @property
    def name(self) -> str:
        """File name without suffix: task, protocol, model, weights' digest, data, and settings that are not default."""
        return run_name(
            self.task, str(self.protocol["name"]), self.model, f"{self.data_name}-{self.data_digest}", self.deviations
        )

    @property
    def data_name(self) -> str:
        """Last part of the data's SPEC."""
        return Path(str(self.data.get("spec", ""))).name

    @property
    def data_digest(self) -> str:
        """First digits of the digest of all splits' manifests; empty where no data were read."""
        manifests = "".join(split["sha256"] for split in self.data.get("splits", {}).values())
        return _short_digest(manifests) if manifests else ""

    def to_json(self) -> str:
        """Indented JSON; figures that are not numbers (NaN, infinite) become null."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2, allow_nan=False) + "\n"


def run_name(
    task: str, protocol: str, model: Mapping[str, Any], data: str, deviations: Mapping[str, Any] | None = None
) -> str:
    """What tells one run from another, as a file name.

    Args:
        task: its name.
        protocol: its name.
        model: its "name" and "sha256".
        data: what tells the data.
        deviations: settings that may move the figure and are not the defaults: without any, nothing is added.
    """
    changed = f"set-{_short_digest(json.dumps(deviations, sort_keys=True))}" if deviations else ""
    parts = (f"{task}@{protocol}", str(model["name"]), str(model["sha256"])[:8], data, changed)
    return "--".join(re.sub(r"[^\w.@+-]+", "-", part).strip("-") for part in parts if part)


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def record_from_json(text: str, where: str) -> RunRecord:
    """The record in `text`.

    Raises:
        InputError: not a record, or one of a newer schema; `where` names the file.
    """
    try:
        raw = json.loads(text)
        if raw["schema"] > SCHEMA:
            raise InputError(f"record {where} has schema {raw['schema']}, newer than {SCHEMA}; update dinobench")
        raw["intervals"] = {name: (low, high) for name, (low, high) in raw["intervals"].items()}
        raw.update((name, tuple(raw[name])) for name in ("warnings", "files", "because"))
        return RunRecord(**raw)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where} is not a run record ({error}); move it out of the results folder") from error


class RecordStore:
    """A folder of records; a later run of the same task, protocol, weights, data and settings replaces the earlier."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, record: RunRecord) -> Path:
        """Write `record` and return its path."""
        path = self.folder / f"{record.name}.json"
        write_text_atomically(path, record.to_json())
        return path

    def __iter__(self) -> Iterator[RunRecord]:
        for path in sorted(self.folder.glob("*.json")):
            yield read_record(path)


def read_record(path: Path) -> RunRecord:
    """The record in a file; InputError where there is none."""
    try:
        return record_from_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read record {path}: {error}") from error


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def warn_if_missing(folder: Path, otherwise: str) -> None:
    """Say that a folder of records which the user named is not there, and what is done without it."""
    if folder != RECORDS and not folder.is_dir():
        notice(f"warning: there is no folder of records {folder}; {otherwise}")
