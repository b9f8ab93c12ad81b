"""What layouts with annotation files share: reading .mat and json, and finding listed images that are missing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.dataset import ImageSet
from dinobench.data.registry import Findings
from dinobench.runtime.errors import InputError


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file of version 4 to 7.2, unit dimensions dropped.

    Raises:
        InputError: the file is missing, of version 7.3 (which is HDF5), or damaged.
    """
    import scipy.io

    require(path)
    try:
        return dict(scipy.io.loadmat(path, squeeze_me=True))
    except NotImplementedError as error:
        raise InputError(f"{path} is a MATLAB 7.3 file; save it with version 7 or older (save -v7)") from error
    except Exception as error:  # scipy raises whatever the damaged bytes lead it to
        raise InputError(f"{path} is not a readable MATLAB file ({type(error).__name__}); fetch it again") from error


def variable(content: dict[str, Any], name: str, path: Path) -> NDArray[Any]:
    """A variable of a .mat file as an array of at least one dimension; InputError where it is absent."""
    if name not in content:
        held = ", ".join(sorted(key for key in content if not key.startswith("__"))) or "nothing"
        raise InputError(f"{path} has no variable '{name}' (it holds {held}); is it the right file?")
    return np.atleast_1d(content[name])


def read_json(path: Path) -> dict[str, Any]:
    """A json object; InputError where it is missing or no json."""
    require(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid json ({error}); fetch it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a json {type(content).__name__} where an object is expected")
    return content


def require(path: Path) -> Path:
    """The path itself, if such a file exists."""
    if not path.is_file():
        raise InputError(f"no file {path}; `dinobench data check` prints the expected tree")
    return path


def missing_files(root: Path, names: Iterable[str]) -> list[str]:
    """Those of `names` (relative to `root`) that do not exist; each folder is listed once."""
    by_folder: dict[Path, list[str]] = defaultdict(list)
    for name in names:
        by_folder[(root / name).parent].append(name)
    missing = []
    for folder, wanted in by_folder.items():
        present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        missing += [name for name in wanted if Path(name).name not in present]
    return missing


def refuse_missing(root: Path, names: Sequence[str], listed_in: Path) -> None:
    """InputError that names and counts the listed images which do not exist; also refuses an empty list."""
    if not names:
        raise InputError(f"{listed_in} lists no image: an empty split; fetch the file again")
    missing = missing_files(root, names)
    if missing:
        some = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise InputError(f"{len(missing)} of {len(names)} images listed in {listed_in} are missing: {some}")


def refuse_out_of_range(labels: NDArray[np.int64], classes: int, names: Sequence[str], listed_in: Path) -> None:
    """InputError that names the first image whose 0-based label lies outside `classes`, and counts them."""
    bad = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(bad):
        raise InputError(
            f"{listed_in} gives {len(bad)} labels outside its {classes} classes, first {labels[bad[0]]} "
            f"(counted from 0) for {names[bad[0]]}; fix or fetch the annotations again"
        )


def check_splits(open_split: Callable[[Path, str], ImageSet], root: Path, splits: Sequence[str]) -> Findings:
    """Counts of each split, and what keeps a split from opening."""
    counts: dict[str, int] = {}
    problems: list[str] = []
    files: list[Path] = []
    for split in splits:
        try:
            images = open_split(root, split)
        except InputError as error:
            problems.append(str(error))
            continue
        counts[f"{split} images"] = len(images)
        counts[f"{split} classes"] = len(images.classes)
        files += [images.root / name for name in images.names] if images.root else []
    return Findings(counts, tuple(problems), tuple(files))
