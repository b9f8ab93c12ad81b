"""Revisited Oxford and Paris: jpg/*.jpg and gnd_NAME.pkl, as the benchmark's authors lay them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet, UNLabeled, from_files
from dinobench.data.layouts._files import missing_files, read_object, refuse_missing, texts
from dinobench.data.registry import Findings
from dinobench.data.unpickle import read_pickle
from dinobench.runtime.errors import InputError

DATASETS = ("roxford5k", "rparis6k")
EXPECTED_TREE = """ROOT/
  jpg/*.jpg              database and query images (Oxford 5063 files, Paris 6392)
  gnd_<ROOT's name>.pkl  lists of images and, per query, easy, hard, junk and the query's box
Ground truth and images: https://github.com/filipradenovic/revisitop (the images now with faces blurred)."""

GROUPS = ("easy", "hard", "junk")


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Who shows what, after Radenovic et al. (2018).

    Attributes:
        database: name of each database image, without folder and suffix.
        queries: name of each query image.
        boxes: (queries, 4) left, top, right, bottom of the object asked for, in pixels of the query image; NaN where
            the file gives none.
        judged: per query, the database ids of each of `GROUPS`; all others are negatives.
    """

    database: tuple[str, ...]
    queries: tuple[str, ...]
    boxes: NDArray[np.float64]
    judged: tuple[Mapping[str, NDArray[np.int64]], ...]


def open(root: Path, split: str) -> ImageSet:  # noqa: A001 (the layouts' common verb)
    """The "database" or the "query" images, unlabeled, in the order of the ground truth.

    Raises:
        InputError: no ground truth, another split, or missing images (counted, the first ones named).
    """
    listed_in = ground_truth_file(root)
    truth = read_ground_truth(listed_in)
    if split not in ("database", "query"):
        raise InputError(f"{root} has no split '{split}'; it has database and query")
    names = _files(truth.database if split == "database" else truth.queries)
    refuse_missing(root, names, listed_in)
    return from_files(f"{root.resolve().name}/{split}", root, names, [UNLabeled] * len(names), ())


def check(root: Path) -> Findings:
    """Counts of the images named by the ground truth; what is missing."""
    try:
        truth = read_ground_truth(ground_truth_file(root))
    except InputError as error:
        return Findings({}, (str(error),))
    names = sorted({*_files(truth.database), *_files(truth.queries)})
    missing = missing_files(root, names)
    counts = {"database images": len(truth.database), "queries": len(truth.queries), "images missing": len(missing)}
    problems = [f"{len(missing)} images are missing from {root}: {', '.join(missing[:3])}"] if missing else []
    return Findings(counts, tuple(problems), tuple(root / name for name in names if name not in set(missing)))


def ground_truth_file(root: Path) -> Path:
    """ROOT/gnd_<ROOT's name>.pkl, or the only ROOT/gnd_*.pkl there is."""
    named = root / f"gnd_{root.resolve().name}.pkl"
    found = [named] if named.is_file() else sorted(root.glob("gnd_*.pkl"))
    if len(found) != 1:
        raise InputError(f"expected one {named} and found {len(found)} gnd_*.pkl; see `dinobench data list`")
    return found[0]


def refuse_other_set(path: Path, task: str) -> None:
    """Refuse gnd_rparis6k.pkl for the task `roxford`, and the reverse; a task of another name may take either.

    Raises:
        InputError: the ground truth is that of the other set.
    """
    found = path.stem.removeprefix("gnd_")
    wanted = [name for name in DATASETS if name.startswith(task)]
    if found in DATASETS and wanted and found not in wanted:
        raise InputError(f"task {task} needs {wanted[0]} and {path} is that of {found}; give its folder as --data")


def read_ground_truth(path: Path) -> GroundTruth:
    """Read gnd_*.pkl (builtins and numpy arrays only), or the same content as .json.

    Raises:
        InputError: not a ground truth of the revisited benchmark, or one that contradicts itself.
    """
    raw = read_object(path) if path.suffix == ".json" else read_pickle(path)
    if not isinstance(raw, Mapping) or not {"gnd", "imlist", "qimlist"} <= raw.keys():
        raise InputError(f"{path} is no ground truth of the revisited benchmark: it lacks gnd, imlist or qimlist")
    database, queries = (tuple(texts(raw[key], f"{key} of {path}")) for key in ("imlist", "qimlist"))
    entries = raw["gnd"] if isinstance(raw["gnd"], list | tuple) else []
    if len(entries) != len(queries):
        raise InputError(f"{path} lists {len(queries)} queries and judges {len(entries)}; fetch it again")
    if len(set(database)) != len(database):
        raise InputError(f"{path} lists an image of the database twice; fetch it again")
    judged = tuple(_judged(entry, len(database), f"{path}, query {i}") for i, entry in enumerate(entries))
    boxes = np.array([_box(entry, f"{path}, query {i}") for i, entry in enumerate(entries)], dtype=np.float64)
    return GroundTruth(database, queries, boxes.reshape(-1, 4), judged)


def _judged(entry: Any, size: int, where: str) -> dict[str, NDArray[np.int64]]:
    if not isinstance(entry, Mapping) or not set(GROUPS) <= entry.keys():
        found = ", ".join(sorted(map(str, entry))) if isinstance(entry, Mapping) else type(entry).__name__
        raise InputError(
            f"{where}: found {found}, expected easy, hard, junk; is it of another version of the benchmark?"
        )
    groups = {name: _ids(entry[name], f"{where}, {name}") for name in GROUPS}
    ids = np.concatenate(list(groups.values()))
    if len(ids) and not 0 <= ids.min() <= ids.max() < size:
        raise InputError(f"{where}: an id lies outside the {size} images of the database; fetch the file again")
    if len(np.unique(ids)) != len(ids):
        raise InputError(f"{where}: an image is judged twice; fetch the file again")
    return groups


def _ids(values: Any, where: str) -> NDArray[np.int64]:
    try:
        ids = np.asarray(values).reshape(-1)
    except ValueError as error:  # lists of several lengths
        raise InputError(f"{where}: expected whole numbers, found lists in lists; fetch the file again") from error
    if len(ids) and ids.dtype.kind not in "iu":
        raise InputError(f"{where}: expected whole numbers, found {ids.dtype}; fetch the file again")
    return ids.astype(np.int64)


def _box(entry: Mapping[str, Any], where: str) -> list[float]:
    if "bbx" not in entry:
        return [np.nan] * 4
    try:
        box = np.asarray(entry["bbx"], dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: bbx is no four numbers; fetch the file again") from error
    if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
        raise InputError(f"{where}: bbx is {box.tolist()}, expected left, top, right, bottom; fetch the file again")
    return [float(side) for side in box]


def _files(names: Sequence[str]) -> list[str]:
    return [f"jpg/{name}.jpg" for name in names]
