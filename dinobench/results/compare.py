"""Two records of the same images, compared image by image."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dinobench.cards import TaskCard, load_tasks
from dinobench.metrics.bootstrap import Difference, paired_difference
from dinobench.results.records import RecordStore, RunRecord, read_record
from dinobench.results.verdicts import DIFFER, holm, mcnemar, verdict, welch
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import refuse_pipe
from dinobench.runtime.names import file_below
from dinobench.runtime.parquet_files import read_parquet_file

SCORE_AGAIN = "score the model again"
_FEW_IMAGES = 100  # the bootstrap of so few is too sure of itself: McNemar's exact test must agree
"""What to do where a file that a record kept is damaged."""

_SEEDS = frozenset({"seed", "init_seed"})


@dataclass(frozen=True)
class Comparison:
    """Record A less record B, in points of percent.

    Attributes:
        a, b: mean value of each over the shared images, and over its runs.
        difference: with its 95% interval by paired bootstrap, over images and runs.
        images: how many were paired.
        runs: how many records of A and of B, which differ in their seeds.
        exact: p-value of McNemar's exact test, where both are one run of a classifier.
        of_runs: p-value of Welch's test on the means of the runs, where both sides have several.
        p_value: of the bootstrap, corrected by Holm's method where several comparisons were made.
        verdict: one sentence.
        notes: in what else the two records differ.
    """

    record_a: RunRecord
    record_b: RunRecord
    a: float
    b: float
    difference: Difference
    images: int
    runs: tuple[int, int]
    notes: tuple[str, ...]
    exact: float | None = None
    of_runs: float | None = None
    p_value: float = 1.0
    verdict: str = ""

    @property
    def differs(self) -> bool:
        """Whether the verdict is that the networks differ."""
        return self.verdict in DIFFER


def compare(names: Sequence[str], folder: Path, seed: int = 0, *, tasks_dir: Path | None = None) -> list[Comparison]:
    """Compare every two of several record files or models, on every task and protocol that both have records of.

    Records of a model that differ in nothing but seeds count as runs of one figure; p-values are corrected for all
    comparisons together.

    Args:
        names: record files, or models by name or SPEC.
        folder: of the records, for models and for files that moved with it.
        seed: of the bootstrap.
        tasks_dir: folder with further task cards.

    Raises:
        InputError: nothing to compare, no per-image values, or different images.
    """
    pairs = [pair for a, b in itertools.combinations(names, 2) for pair in _pair_records(a, b, folder)]
    found = [_compare_pair(one, other, seed) for one, other in pairs]
    return _with_verdicts(found, load_tasks(tasks_dir))


def compare_with_best(
    records: Sequence[RunRecord], folder: Path, most: int = 20, *, tasks: Mapping[str, TaskCard]
) -> list[list[Comparison]]:
    """The best figure of each task, protocol, data and settings less each of the others, by groups of those.

    Args:
        records: of any tasks; those without a value of every image are left out.
        folder: of the records.
        most: comparisons of one group, the best figures first; p-values are corrected within the group.
        tasks: cards by name.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.value is not None and record.files:
            key = repr((_pair_key(record), sorted(_settings_of(record).items())))
            groups.setdefault(key, []).append(record)
    found = [_less_best(members, folder, most) for members in groups.values()]
    return [_with_verdicts(group, tasks) for group in found if group]


def _less_best(members: Sequence[RunRecord], folder: Path, most: int) -> list[Comparison]:
    scored = sorted(_runs_of_one_figure(members, folder), key=_mean_value, reverse=True)[: most + 1]
    kept = [each for each in scored if each.keeps_values()]
    return [_compare_pair(kept[0], other, seed=0) for other in kept[1:]]


def _mean_value(scored: _Scored) -> float:
    return float(np.mean([run.value or 0.0 for run in scored.runs]))


def _with_verdicts(comparisons: Sequence[Comparison], tasks: Mapping[str, TaskCard]) -> list[Comparison]:
    """The same with p-values corrected for all of them, and what they allow to say."""
    corrected = holm([each.difference.p_value for each in comparisons])
    of_runs = holm([each.of_runs or 0.0 for each in comparisons])
    exact = holm([each.exact or 0.0 if each.images < _FEW_IMAGES else 0.0 for each in comparisons])
    strictest = [max(values) for values in zip(corrected, of_runs, exact, strict=True)]
    return [_with_verdict(*each, tasks) for each in zip(comparisons, corrected, strictest, strict=True)]


def _with_verdict(
    comparison: Comparison, p_value: float, strictest: float, tasks: Mapping[str, TaskCard]
) -> Comparison:
    """The comparison with its verdict, which the strictest of the p-values decides: of images, of runs, exact."""
    one, other = comparison.record_a, comparison.record_b
    evaluator = tasks[one.task].evaluator if one.task in tasks else ""
    families = (one.model.family, other.model.family)
    sentence = verdict(strictest, comparison.runs, evaluator, families)
    return replace(comparison, p_value=p_value, verdict=sentence)


@dataclass(frozen=True)
class _Scored:
    """Records that differ in their seeds alone, and the folder in which they lie, with their files below."""

    runs: tuple[RunRecord, ...]
    folder: Path

    @property
    def record(self) -> RunRecord:
        """One for all, where seeds do not matter."""
        return self.runs[0]

    def keeps_values(self) -> bool:
        """Whether the value of every image of every run can still be read."""
        return all(any(read_values(_file_of(name, self.folder)) is not None for name in run.files) for run in self.runs)


def _pair_records(a: str, b: str, folder: Path) -> list[tuple[_Scored, _Scored]]:
    """Records of the same task, protocol and data; where several are, those of the same settings with values kept."""
    ours, theirs = _read_scored(a, folder), _read_scored(b, folder)
    if len(ours) == len(theirs) == 1:
        return [(ours[0], theirs[0])]
    pairs = [(one, other) for one in ours for other in theirs if _pair_key(one.record) == _pair_key(other.record)]
    if not pairs:
        raise InputError(f"{a} and {b} have no task, protocol and data in common under {folder}; score both on one")
    alike = [pair for pair in pairs if _settings_of(pair[0].record) == _settings_of(pair[1].record)] or pairs
    return [pair for pair in alike if all(each.keeps_values() for each in pair)] or alike


def _read_scored(name: str, folder: Path) -> list[_Scored]:
    if name.endswith(".json"):
        return [_Scored((read_record(Path(name)),), Path(name).parent)]
    found = [record for record in RecordStore(folder).runs() if name in (record.model.name, record.model.spec)]
    if not found:
        raise InputError(f"no record of model {name!r} under {folder}; give a record's .json file, or score the model")
    return _runs_of_one_figure(found, folder)


def _runs_of_one_figure(records: Sequence[RunRecord], folder: Path) -> list[_Scored]:
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        if not record.failed:
            groups.setdefault(_but_for_seeds(record), []).append(record)
    return [_Scored(tuple(runs), folder) for runs in groups.values()]


def _but_for_seeds(record: RunRecord) -> str:
    """What runs of one figure have in common: all but seeds, and random weights, which follow from theirs."""
    weights = record.model.sha256 if record.model.family != "random" else ""
    return repr((_pair_key(record), sorted(_settings_of(record).items()), weights))


def _pair_key(record: RunRecord) -> tuple[object, ...]:
    splits = record.data.splits
    digests = tuple((name, splits[name].sha256) for name in sorted(splits))
    return record.task, record.protocol.hash, digests


def _settings_of(record: RunRecord) -> dict[str, Any]:
    """The settings that are not the defaults, but for seeds."""
    return {key: value for key, value in record.deviations.items() if key not in _SEEDS}


def _compare_pair(mine: _Scored, yours: _Scored, seed: int) -> Comparison:
    one, other = mine.record, yours.record
    ours, theirs = ([per_image_values(run, scored.folder) for run in scored.runs] for scored in (mine, yours))
    images = list(ours[0])
    for run in (*ours, *theirs):
        if odd := sorted(run.keys() ^ ours[0].keys()):
            names, first = f"{one.name} and {other.name}", f"{len(odd)} are in one alone, first {odd[0]}"
            raise InputError(f"{names} did not score the same images: {first}")
    a, b = (np.array([[run[image] for image in images] for run in runs]) for runs in (ours, theirs))
    found = paired_difference(a, b, seed=seed)
    scaled = Difference(100 * found.value, 100 * found.low, 100 * found.high, found.p_value)
    runs = len(ours), len(theirs)
    exact = mcnemar(a[0], b[0]) if runs == (1, 1) else None
    of_runs = welch(a.mean(1), b.mean(1))
    means = 100 * float(a.mean()), 100 * float(b.mean())
    return Comparison(one, other, *means, scaled, len(images), runs, _differences_noted(one, other), exact, of_runs)


def per_image_values(record: RunRecord, folder: Path) -> dict[str, float]:
    """Value of every image or query of a record by name, in [0, 1].

    Raises:
        InputError: the record keeps none, or its file has gone.
    """
    for name in record.files:
        if (values := read_values(_file_of(name, folder))) is not None:
            return values
    raise InputError(
        f"{record.name} holds no per-image values; run `dinobench eval --task {record.task} --model "
        f"{record.model.spec} --data {record.data.spec} --set predictions=true` again"
    )


def _file_of(name: str, folder: Path) -> Path:
    """Where a record's file is now: below the folder of its record, however deep, or as noted."""
    path = Path(name)
    moved = folder / "files" / path.parent.name / path.name
    return file_below(folder, name) or (moved if moved.exists() else path)


def read_values(path: Path) -> dict[str, float] | None:
    """The columns `image` and `value` of a CSV or Parquet file; None where the file has no such columns."""
    if path.suffix == ".parquet":
        table = read_parquet_file(path, SCORE_AGAIN)
        if not {"image", "value"} <= set(table.column_names):
            return None
        pairs = zip(table["image"].to_pylist(), table["value"].to_pylist(), strict=True)
        return {image: float(value) for image, value in pairs if value is not None}
    if path.suffix != ".csv":
        return None
    refuse_pipe(path)
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            reader = csv.DictReader(stream)
            if not {"image", "value"} <= set(reader.fieldnames or ()):
                return None
            return {row["image"]: float(row["value"]) for row in reader}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"cannot read the per-image values in {path}: {error}; {SCORE_AGAIN}") from error


def _differences_noted(one: RunRecord, other: RunRecord) -> tuple[str, ...]:
    notes = []
    if (one.task, one.protocol.hash) != (other.task, other.protocol.hash):
        names = " and ".join(f"{record.task}@{record.protocol.name}" for record in (one, other))
        notes.append(f"different protocols: {names}")
    if _pair_key(one)[2] != _pair_key(other)[2]:
        notes.append("different data: the digests of the image sets differ")
    if _settings_of(one) != _settings_of(other):
        notes.append(
            f"different settings: {_settings_of(one) or 'none changed'} and {_settings_of(other) or 'none changed'}"
        )
    return tuple(notes)
