"""Whether a record still says what was measured: its seal, the files that it kept, and figures computed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinobench.results.bundle import SUMS, broken_seals
from dinobench.results.recompute import Figure, recomputed_figures, same_figure
from dinobench.results.records import RunRecord, content_digest, read_record, record_paths
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import sha256_file
from dinobench.runtime.names import file_below


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

    @property
    def is_record(self) -> bool:
        """Whether it is a record that can be read, not the list of a bundle."""
        return self.path.suffix == ".json" and not any("is not a run record" in line for line in self.problems)


def verify(target: Path) -> list[Verification]:
    """Verify a record, or every record of a folder; of a published bundle also that its files are those listed.

    Raises:
        InputError: nothing there.
    """
    paths = record_paths(target) if target.is_dir() else [target]
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
    recomputed = [] if problems else _compare_figures(record, path.parent, problems)
    if not problems and not record.failed:
        notes += _left_out(record, recomputed)
    return Verification(path, len(record.digests), tuple(recomputed), tuple(notes), tuple(problems))


def _left_out(record: RunRecord, recomputed: list[str]) -> list[str]:
    """A line on the figures that nothing kept can prove."""
    if not recomputed:
        return ["it keeps no value of every image from which its figure could be computed again"]
    left = [metric for metric in record.metrics if metric not in recomputed]
    return [f"not computed again, since nothing kept gives them: {', '.join(left)}"] if left else []


def _changed_files(record: RunRecord, folder: Path) -> Iterator[str]:
    for name, digest in record.digests.items():
        file = file_below(folder, name)
        if file is None:
            yield f"{name:.80} is not a file below {folder}"
        elif sha256_file(file) != digest:
            yield f"{name} is not the file that the run wrote"


def _compare_figures(record: RunRecord, folder: Path, problems: list[str]) -> list[str]:
    """Metrics that the kept values give again, with their intervals; a problem for each that they do not."""
    again: dict[str, bool] = {}
    try:
        for figure in recomputed_figures(record, folder):
            stated = record.metrics.get(figure.metric)
            same = same_figure(stated, figure.value)
            if not same:
                problems.append(f"{figure.metric} is {stated}, computed again from {figure.source} {figure.value:.10g}")
            again[figure.metric] = same and _interval_holds(record, figure, problems)
    except InputError as error:
        problems.append(str(error))
    return [metric for metric, holds in again.items() if holds]


def _interval_holds(record: RunRecord, figure: Figure, problems: list[str]) -> bool:
    stated = record.intervals.get(figure.metric)
    if stated is None or figure.interval_of is None:
        return True
    seeds = dict.fromkeys((0, int(record.settings.get("seed", 0))))  # of evaluators that have one, or take the run's
    found = [figure.interval_of(seed) for seed in seeds]
    if any(np.allclose(stated, bounds, rtol=1e-6, atol=1e-6) for bounds in found):
        return True
    problems.append(f"the interval of {figure.metric} is {stated}, computed again it is {found[0]}")
    return False
