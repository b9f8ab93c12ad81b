"""Run records: one JSON file per task, model, protocol, data and settings, written atomically."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from dinobench.results.record_names import run_name, short_digest
from dinobench.runtime.collector import collector_paused
from dinobench.runtime.console import notice
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe, sha256_file, write_text_atomically
from dinobench.runtime.names import printable

SCHEMA = 1
RECORDS = Path("results/records")
"""Where runs write, and tables read, unless told otherwise."""

FAILED = ".failed.json"


@dataclass(frozen=True)
class ProtocolRef:
    """Which protocol a record follows; equal hashes mean equal settings."""

    name: str
    version: int = 0
    hash: str = ""


@dataclass(frozen=True)
class ModelInfo:
    """The network of a record.

    Attributes:
        name: short, for tables.
        spec: what the user asked for.
        card: the published model that it is, empty where it is none.
        sha256: of the tensors, whatever file they came in.
        source: the file or the remote name.
        preprocessing: size, crop, mean, std, interpolation.
        choices: what was chosen among several, assumed or dropped when it was loaded, one line each.
        epoch: of the training that wrote the weights, where the file says it.
    """

    name: str
    sha256: str
    spec: str = ""
    card: str = ""
    family: str = ""
    architecture: str = ""
    source: str = ""
    parameters: int = 0
    preprocessing: dict[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    epoch: int | None = None


@dataclass(frozen=True)
class SplitInfo:
    """The images of one split: digest of the manifest, how many images, how many classes."""

    sha256: str
    images: int = 0
    classes: int = 0


@dataclass(frozen=True)
class DataInfo:
    """The images of a record.

    Attributes:
        spec: what the user asked for.
        name: short, for tables; empty in old records.
        splits: by name.
    """

    spec: str
    layout: str = ""
    name: str = ""
    splits: dict[str, SplitInfo] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """Everything needed to trust, repeat and place one figure.

    Attributes:
        task: name of its card.
        metrics: figures by name; `intervals` their 95% bootstrap bounds.
        settings: every setting of the run, seeds included.
        seconds: wall time by phase; `images_per_second` of the forward pass where the task measured it.
        comparable: whether the figure may stand beside the published one; `because` says why not.
        error: one line where the task failed; then there are no metrics.
        deviations: the settings among them that may move the figure and are not the defaults.
        processes: how many shared the work.
        digests: sha256 of each kept file, as it was when the record was written.
        seal: digest of all the rest of the record, by which a later change is found.
        imported: kind of another tool's result file that it was read from; empty for a run of ours.
        rehearsal: whether drawn weights stood for the model's: such a figure means nothing, and stands in no table.
    """

    task: str
    protocol: ProtocolRef
    main_metric: str
    model: ModelInfo
    data: DataInfo
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
    processes: int = 1
    digests: dict[str, str] = field(default_factory=dict)
    seal: str = ""
    imported: str = ""
    rehearsal: bool = False
    schema: int = SCHEMA

    @property
    def failed(self) -> bool:
        """Whether the task stopped with an error."""
        return bool(self.error)

    @property
    def value(self) -> float | None:
        """The main figure."""
        return self.metrics.get(self.main_metric)

    @property
    def name(self) -> str:
        """File name without suffix: task, protocol, model, weights' digest, data, and settings that are not default."""
        data = f"{self.data_name}-{self.data_digest}"
        return run_name(self.task, self.protocol.name, self.model.name, self.model.sha256, data, self.deviations)

    @property
    def data_name(self) -> str:
        """Short name of the data: the last part of the SPEC in old records."""
        return self.data.name or Path(self.data.spec).name

    @functools.cached_property
    def data_digest(self) -> str:
        """First digits of the digest of all splits' manifests, in whatever order read; empty where no data were."""
        manifests = "".join(self.data.splits[name].sha256 for name in sorted(self.data.splits))
        return short_digest(manifests) if manifests else ""

    @functools.cached_property
    def run_key(self) -> str:
        """Equal for copies of one run: task, protocol, weights, data digest and settings."""
        about = [self.task, self.protocol.hash, self.model.sha256, self.data_digest, self.settings, self.deviations]
        about += [self.error]
        return msgspec.json.encode(about, enc_hook=str, order="deterministic").decode()

    def to_json(self) -> str:
        """Indented JSON; figures that are not numbers (NaN, infinite) become null."""
        raw = dataclasses.asdict(self)
        raw["intervals"] = {name: bounds for name, bounds in self.intervals.items() if all(map(math.isfinite, bounds))}
        return json.dumps(_finite_values(raw), indent=2, allow_nan=False) + "\n"


def content_digest(text: str) -> str:
    """Digest of everything in a record's JSON but its seal and white space."""
    raw = {key: value for key, value in json.loads(text).items() if key != "seal"}
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()


@functools.cache
def _record_decoder() -> msgspec.json.Decoder[RunRecord]:
    return msgspec.json.Decoder(RunRecord)


def record_from_json(text: str | bytes, where: str) -> RunRecord:
    """The record in `text`, which is UTF-8.

    Raises:
        InputError: not a record, or one of a newer schema; `where` names the file.
    """
    try:
        record = _record_decoder().decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise InputError(f"{where} is not a run record ({error}); move it out of the results folder") from error
    if record.schema > SCHEMA:
        raise InputError(f"record {where} has schema {record.schema}, newer than {SCHEMA}; update dinobench")
    return record


class RecordStore:
    """A folder of records; a later run of the same task, protocol, weights, data and settings replaces the earlier.

    A failed run never replaces a good one: it lies beside it as NAME.failed.json until the same run succeeds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, record: RunRecord) -> Path:
        """Write `record` and return its path; a good record removes the failed ones of the same run."""
        path = self.folder / f"{record.name}{FAILED if record.failed else '.json'}"
        write_text_atomically(path, self._sealed(record).to_json())
        if not record.failed:
            self._forget_failures(record)
        return path

    def __iter__(self) -> Iterator[RunRecord]:
        yield from map(read_record, record_paths(self.folder))

    @collector_paused()
    def with_paths(self) -> list[tuple[Path, RunRecord]]:
        """Every run once, with the file that it was read from."""
        kept: dict[str, tuple[Path, RunRecord]] = {}
        copies = 0
        for path in record_paths(self.folder):
            record = read_record(path)
            earlier = kept.get(record.run_key)
            copies += earlier is not None
            if earlier is None or record.date > earlier[1].date:
                kept[record.run_key] = path, record
        if copies:
            _say_copies(self.folder, copies)
        return list(kept.values())

    def runs(self) -> list[RunRecord]:
        """Every run once: of the copies of a run the newest; says how many copies there are."""
        return [record for _, record in self.with_paths()]

    def _sealed(self, record: RunRecord) -> RunRecord:
        """The record with the digests of its files and its own."""
        files = {name: self.folder / name for name in record.files}
        digests = {name: sha256_file(path) for name, path in files.items() if path.is_file()}
        record = dataclasses.replace(record, digests=digests)
        return dataclasses.replace(record, seal=content_digest(record.to_json()))

    def _forget_failures(self, record: RunRecord) -> None:
        """Remove the failed records of the run that `record` repeats with success."""
        start = re.sub(r"[^\w.@+-]+", "-", f"{record.task}@{record.protocol.name}")
        for path in self.folder.glob(f"{start}--*{FAILED}"):
            failure = read_record(path)
            same = failure.model.sha256 == record.model.sha256 and failure.data.spec == record.data.spec
            if same and failure.deviations == record.deviations:
                path.unlink(missing_ok=True)


def record_paths(folder: Path) -> list[Path]:
    """The records' files of a folder, by their names."""
    return sorted(folder.glob("*.json"), key=lambda path: path.name)


def read_record(path: Path) -> RunRecord:
    """The record in a file; InputError where there is none."""
    refuse_pipe(path)
    try:
        return record_from_json(path.read_bytes(), str(path))
    except OSError as error:
        reason = "no such file; `dinobench records ls` lists them" if isinstance(error, FileNotFoundError) else error
        raise InputError(f"cannot read record {path}: {reason}") from error


@functools.cache
def _say_copies(folder: Path, copies: int) -> None:
    """Once in a process, however often the folder is read."""
    many = "copies" if copies > 1 else "copy"
    notice(f"{folder} holds {copies} further {many} of runs that are there; each run counts once")


def _finite_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {printable(str(key)): _finite_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite_values(item) for item in value]
    if isinstance(value, str):
        return printable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def warn_if_missing(folder: Path, otherwise: str) -> None:
    """Say that a folder of records which the user named is not there, and what is done without it."""
    if folder != RECORDS and not folder.is_dir():
        notice(f"warning: there is no folder of records {folder}; {otherwise}")
