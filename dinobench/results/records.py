"""Run records: one JSON file per task, model and protocol, written atomically."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import write_text_atomically

SCHEMA = 1


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
    schema: int = SCHEMA

    @property
    def failed(self) -> bool:
        """Whether the task stopped with an error."""
        return bool(self.error)

    @property
    def name(self) -> str:
        """File name without suffix: task, protocol, model, first digits of the weights' digest, and the data."""
        parts = (
            f"{self.task}@{self.protocol['name']}",
            str(self.model["name"]),
            str(self.model["sha256"])[:8],
            self._data_digest(),
        )
        return "--".join(re.sub(r"[^\w.@+-]+", "-", part).strip("-") for part in parts if part)

    def _data_digest(self) -> str:
        manifests = "".join(split["sha256"] for split in self.data.get("splits", {}).values())
        return f"{Path(str(self.data.get('spec', ''))).name}-{manifests[:8]}"

    def to_json(self) -> str:
        """Indented JSON; figures that are not numbers (NaN, infinite) become null."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2, allow_nan=False) + "\n"


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
    """A folder of records; a later run of the same task, protocol, weights and data replaces the earlier one."""

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
