"""Whether a record still says what was measured: its seal, the files that it kept, and figures computed again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinobench.metrics.bootstrap import interval
from dinobench.results.bundle import SUMS, broken_seals
from dinobench.results.compare import read_values
from dinobench.results.records import RunRecord, content_digest, read_record
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import sha256_file
from dinobench.runtime.names import file_below

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verification:
    """What was found of one record.

    Attributes:
        path: of the record.
        files: how many kept files have the digest that the record states.
        recomputed: metrics that were computed again from the kept values, with their intervals.
        notes: what could not be checked, one line each.
        problems: what does not hold, one line each; empty where the record is sound.
    """

    path: Path
    files: int = 0
    recomputed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def verify(target: Path) -> list[Verification]:
    """Verify a record, or every record of a folder; of a published bundle also that its files are those listed.

    Raises:
        InputError: nothing there.
    """
    paths = sorted(target.glob("*.json")) if target.is_dir() else [target]
    if not paths:
        raise InputError(f"there is no record in {target}; give a record's .json file or a folder of records")
    seals = [_verify_bundle(target)] if (target / SUMS).is_file() else []
    return seals + [verify_record(path) for path in paths]


def _verify_bundle(folder: Path) -> Verification:
    try:
        listed, problems = broken_seals(folder)
    except InputError as error:
        return Verification(folder / SUMS, problems=(str(error),))
    return Verification(folder / SUMS, listed, problems=tuple(problems))


def verify_record(path: Path) -> Verification:
    """Check seal, files and figures of one record.

    Raises:
        InputError: no such file.
    """
    if not path.is_file():
        raise InputError(f"there is no record {path}")
    try:
        record = read_record(path)
    except InputError as error:
        return Verification(path, problems=(str(error),))
    problems, notes = [], []
    text = path.read_text(encoding="utf-8")
    if not record.seal and '"digests"' not in text:
        notes.append("it has no seal: an older version of dinobench wrote it")
    elif record.seal != content_digest(text):
        problems.append("its content is not the one that was sealed: something in the record was changed")
    problems += _changed_files(record, path.parent)
    recomputed = [] if problems else list(_recomputed(record, path.parent, problems))
    if not recomputed and not problems and not record.failed:
        notes.append("it keeps no value of every image from which its figure could be computed again")
    return Verification(path, len(record.digests), tuple(recomputed), tuple(notes), tuple(problems))


def _changed_files(record: RunRecord, folder: Path) -> Iterator[str]:
    for name, digest in record.digests.items():
        file = file_below(folder, name)
        if file is None:
            yield f"{name:.80} is not a file below {folder}"
        elif sha256_file(file) != digest:
            yield f"{name} is not the file that the run wrote"


def _recomputed(record: RunRecord, folder: Path, problems: list[str]) -> Iterator[str]:
    """Metrics that equal the mean of the kept values; a problem where values are kept and none does."""
    for name in record.files:
        file = file_below(folder, name)
        values = read_values(file) if file else None
        if not values:
            continue
        found = 100 * np.array(list(values.values()))
        equal = [metric for metric, value in record.metrics.items() if _equal(value, float(found.mean()))]
        if not equal:
            problems.append(f"no figure of the record is the mean of the values in {name}, {found.mean():.4f}")
        yield from (metric for metric in equal if _interval_holds(record, metric, found, problems))


def _interval_holds(record: RunRecord, metric: str, values: np.ndarray, problems: list[str]) -> bool:
    stated = record.intervals.get(metric)
    if stated is None:
        return True
    again = interval(values)
    if all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) for a, b in zip(stated, again, strict=True)):
        return True
    problems.append(f"the interval of {metric} is {stated}, computed again it is {again}")
    return False


def _equal(value: float | None, other: float) -> bool:
    return value is not None and math.isclose(value, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
