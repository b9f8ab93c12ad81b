"""Revisited Oxford and Paris: jpg/*.jpg and gnd_NAME.pkl, as the benchmark's authors lay them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import UNLABELED, ImageSet, from_files
from dinobench.data.decode import is_image_name
from dinobench.data.layouts._files import read_object, texts
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError
from dinobench.runtime.names import inside
from dinobench.runtime.text import first_few
from dinobench.runtime.unpickle import read_pickle

DATASETS = ("roxford5k", "rparis6k")
EXPECTED_TREE = """ROOT/
  jpg/*.jpg              database and query images (Oxford 5063 files, Paris 6392)
  gnd_<ROOT's name>.pkl  lists of images and, per query, easy, hard, junk and the query's box
ROOT may also be the folder that holds roxford5k/ and rparis6k/, as the released script takes it. Images of any ending
are found, in jpg/, in ROOT itself, or in folders below (paris_1-v1.tgz unpacks one folder per landmark).
Ground truth: https://github.com/filipradenovic/revisitop. Images (now with faces blurred): oxbuild_images-v1.tgz for
Oxford, paris_1-v1.tgz and paris_2-v1.tgz for Paris, https://www.robots.ox.ac.uk/~vgg/data/."""

SPLITS = ("database", "query")
GROUPS = ("easy", "hard", "junk")


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Who shows what, after Radenovic et al. (2018).

    Attributes:
        database: name of each database image, without folder, mostly without ending.
        queries: name of each query image.
        boxes: (queries, 4) left, top, right, bottom of the object asked for, in pixels of the query image; NaN where
            the file gives none.
        judged: per query, the database ids of each of `GROUPS`, as the file lists them: an id may be repeated. All
            others are negatives.
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
    return open_one(root, split, "")


def open_one(root: Path, split: str, dataset: str) -> ImageSet:
    """As `open`; `dataset` tells which is wanted where several lie in `root`."""
    listed_in = ground_truth_file(root, dataset)
    truth, folder = read_ground_truth(listed_in), listed_in.parent
    if split not in SPLITS:
        raise InputError(f"{folder} has no split '{split}'; it has database and query")
    wanted = truth.database if split == "database" else truth.queries
    found = _image_files(folder, wanted)
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise InputError(_missing_line(folder, listed_in, missing, len(wanted)))
    names = [found[name] for name in wanted]
    return from_files(f"{folder.resolve().name}/{split}", folder, names, [UNLABELED] * len(names), ())


def check(root: Path) -> Findings:
    """Counts of the images named by the ground truth; what is missing."""
    try:
        listed_in = ground_truth_file(root)
        truth = read_ground_truth(listed_in)
    except InputError as error:
        return Findings({}, (str(error),))
    names, folder = sorted({*truth.database, *truth.queries}), listed_in.parent
    found = _image_files(folder, names)
    missing = [name for name in names if name not in found]
    counts = {"database images": len(truth.database), "queries": len(truth.queries), "images missing": len(missing)}
    problems = [_missing_line(folder, listed_in, missing, len(names))] if missing else []
    return Findings(counts, tuple(problems), tuple(folder / found[name] for name in names if name in found))


def ground_truth_file(root: Path, dataset: str = "") -> Path:
    """The gnd_*.pkl of a data set, in its folder.

    Args:
        root: the folder of a data set, or one that holds the folders of several.
        dataset: which one is wanted where there are several; "" for the only one.

    Raises:
        InputError: there is none, or there are several and none is the one wanted; says what lies there.
    """
    folders = [root, *(root / name for name in DATASETS if (root / name).is_dir())]
    found = [path for folder in folders for path in sorted(folder.glob("gnd_*.pkl"))]
    own = [path for path in found if path.stem == f"gnd_{dataset or root.resolve().name}"]
    if own or len(found) == 1:
        return (own or found)[0]
    if found:
        listed = ", ".join(str(path.relative_to(root)) for path in found)
        raise InputError(f"{root} holds {listed}; give the folder of one data set as --data")
    wanted = f"gnd_{dataset or root.resolve().name}.pkl"
    if matlab := next((path for folder in folders for path in folder.glob("gnd_*.mat")), None):
        raise InputError(f"{root} has {matlab.name} and no {wanted}; put that file beside it, from the same source")
    raise InputError(
        f"expected {wanted} in {root}, or {' or '.join(DATASETS)} below it, and found 0 gnd_*.pkl; "
        "`dinobench data check` prints the expected tree"
    )


def _image_files(folder: Path, wanted: Sequence[str]) -> dict[str, str]:
    """Path below `folder` of each of the images `wanted` that is there, whatever its ending.

    Looked for in jpg/, then in `folder` itself, then in the folders below the two; a name with folders in those alone.
    """
    by_parent: dict[str, list[str]] = {}
    for name in wanted:
        by_parent.setdefault(str(PurePosixPath(name).parent), []).append(name)
    found: dict[str, str] = {}
    for parent, names in by_parent.items():
        files = {PurePosixPath(name).name: name for name in names}
        named = (inside(base, parent, "an image of the ground truth") for base in (folder / "jpg", folder))
        places = _image_places(folder) if parent == "." else named
        found |= {files[file]: path for file, path in _files_in(places, list(files), folder).items()}
    return found


def _files_in(places: Iterator[Path], wanted: Sequence[str], folder: Path) -> dict[str, str]:
    """Path below `folder` of each file that is in one of `places`, by the first of them."""
    found: dict[str, str] = {}
    for place in places:
        files = [path.name for path in sorted(place.iterdir()) if is_image_name(path.name)] if place.is_dir() else []
        files.sort(key=lambda name: Path(name).suffix != ".jpg")  # the official ending first
        by_name = {name: name for name in reversed(files)}
        by_name |= {Path(name).stem: name for name in reversed(files)}
        here = {name: by_name[name] for name in wanted if name not in found and name in by_name}
        found |= {name: str((place / file).relative_to(folder)) for name, file in here.items()}
        if len(found) == len(set(wanted)):
            break
    return found


def _image_places(folder: Path) -> Iterator[Path]:
    yield from (folder / "jpg", folder)
    for parent in (folder / "jpg", folder):
        if parent.is_dir():
            for place in sorted(path for path in parent.iterdir() if path.is_dir() and path.name != "jpg"):
                yield from (place, *sorted(path for path in place.iterdir() if path.is_dir()))


def _missing_line(folder: Path, listed_in: Path, missing: Sequence[str], wanted: int) -> str:
    if not wanted:
        return f"{listed_in} lists no image: an empty split; fetch the file again"
    archives = sorted(path.name for path in (*folder.glob("*.tgz"), *folder.glob("jpg/*.tgz")))
    remedy = f"unpack {', '.join(archives)} there" if archives else "unpack the archives of images into jpg/"
    names = first_few([f"jpg/{name}" if is_image_name(name) else f"jpg/{name}.jpg" for name in missing])
    return f"{len(missing)} of {wanted} images listed in {listed_in} are missing from {folder}: {names}; {remedy}"


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
        raise InputError(f"{path} is not a ground truth of the revisited benchmark: it lacks gnd, imlist or qimlist")
    database, queries = (tuple(texts(raw[key], f"{key} of {path}")) for key in ("imlist", "qimlist"))
    entries = raw["gnd"] if isinstance(raw["gnd"], list | tuple) else []
    if len(entries) != len(queries):
        raise InputError(f"{path} lists {len(queries)} queries and judges {len(entries)}; fetch it again")
    if len(set(database)) != len(database):
        raise InputError(f"{path} lists an image of the database twice; fetch it again")
    judged = tuple(_judged_images(entry, len(database), f"{path}, query {i}") for i, entry in enumerate(entries))
    boxes = np.array([_query_box(entry, f"{path}, query {i}") for i, entry in enumerate(entries)], dtype=np.float64)
    return GroundTruth(database, queries, boxes.reshape(-1, 4), judged)


def _judged_images(entry: Any, size: int, where: str) -> dict[str, NDArray[np.int64]]:
    if not isinstance(entry, Mapping) or not set(GROUPS) <= entry.keys():
        found = ", ".join(sorted(map(str, entry))) if isinstance(entry, Mapping) else type(entry).__name__
        raise InputError(
            f"{where}: found {found}, expected easy, hard, junk; is it of another version of the benchmark?"
        )
    groups = {name: _image_ids(entry[name], f"{where}, {name}") for name in GROUPS}
    ids = np.concatenate(list(groups.values()))
    if len(ids) and not 0 <= ids.min() <= ids.max() < size:
        raise InputError(f"{where}: an id lies outside the {size} images of the database; fetch the file again")
    return groups


def _image_ids(values: Any, where: str) -> NDArray[np.int64]:
    try:
        ids = np.asarray(values).reshape(-1)
    except ValueError as error:  # lists of several lengths
        raise InputError(f"{where}: expected whole numbers, found lists in lists; fetch the file again") from error
    if len(ids) and ids.dtype.kind not in "iu":
        raise InputError(f"{where}: expected whole numbers, found {ids.dtype}; fetch the file again")
    return ids.astype(np.int64)


def _query_box(entry: Mapping[str, Any], where: str) -> list[float]:
    if "bbx" not in entry:
        return [np.nan] * 4
    try:
        box = np.asarray(entry["bbx"], dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: bbx is not four numbers; fetch the file again") from error
    if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
        raise InputError(f"{where}: bbx is {box.tolist()}, expected left, top, right, bottom; fetch the file again")
    return [float(side) for side in box]
