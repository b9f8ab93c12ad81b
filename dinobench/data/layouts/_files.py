"""What layouts with annotation files share: reading .mat and json, and finding listed images that are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinobench.data.matfile import mat_variables
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_bytes, read_json, read_text
from dinobench.runtime.names import inside
from dinobench.runtime.text import first_few


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file of version 5 to 7.2, unit dimensions dropped.

    Raises:
        InputError: the file is missing, of another version, or damaged.
    """
    data = read_bytes(require(path))
    try:
        return mat_variables(data)
    except Exception as error:  # damaged bytes may also raise what numpy and struct raise
        raise InputError(f"{path} is not a readable MATLAB file: {error}; fetch it again") from error


def variable(content: dict[str, Any], name: str, path: Path) -> NDArray[Any]:
    """A variable of a .mat file as an array of at least one dimension; InputError where it is absent."""
    if name not in content:
        held = ", ".join(sorted(key for key in content if not key.startswith("__"))) or "nothing"
        raise InputError(f"{path} has no variable '{name}' (it holds {held}); is it the right file?")
    return np.atleast_1d(content[name])


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; InputError where it is missing or no JSON object."""
    content = read_json(require(path))
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a json {type(content).__name__} where an object is expected")
    return content


def whole_numbers(values: Any, where: str) -> NDArray[np.int64]:
    """(N,) whole numbers of an annotation; InputError where they are anything else."""
    try:
        found = np.atleast_1d(np.asarray(values))
        with np.errstate(invalid="ignore"):  # NaN, which is equal to no whole number
            whole = found.astype(np.int64)
        if found.ndim == 1 and (found.dtype.kind in "iufO" and (whole == found).all()):
            return whole
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    raise InputError(f"{where} is not a list of whole numbers; fetch the file again")


def texts(values: Any, where: str) -> list[str]:
    """The strings of an annotation; InputError where they are anything else, or hold a zero byte."""
    found: list[Any] = values.reshape(-1).tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) and "\0" not in name for name in found):
        raise InputError(f"{where} is not a list of names; fetch the file again")
    return [str(value) for value in found]


def require(path: Path) -> Path:
    """The path itself, if such a file exists."""
    if not path.is_file():
        raise InputError(f"no file {path}; `dinobench data check` prints the expected tree")
    return path


def read_lines(path: Path) -> list[str]:
    """The lines of a list, without byte order mark, blanks around them and empty lines; InputError as `read_text`."""
    return [line.strip() for line in read_text(require(path)).split("\n") if line.strip()]


def missing_files(root: Path, names: Iterable[str]) -> list[str]:
    """Those of `names` (relative to `root`) that do not exist; InputError where one does not lie below `root`.

    Each folder is listed once.
    """
    by_folder: dict[Path, list[str]] = defaultdict(list)
    for name in names:
        by_folder[inside(root, name, "an annotation").parent].append(name)
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
        raise InputError(
            f"{len(missing)} of {len(names)} images listed in {listed_in} are missing: {first_few(missing)}; "
            "unpack the archive of images again"
        )


def refuse_out_of_range(labels: NDArray[np.int64], classes: int, names: Sequence[str], listed_in: Path) -> None:
    """InputError that names the first image whose 0-based label lies outside `classes`, and counts them."""
    bad = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(bad):
        raise InputError(
            f"{listed_in} gives {len(bad)} labels outside its {classes} classes, first {labels[bad[0]]} "
            f"(counted from 0) for {names[bad[0]]}; fix or fetch the annotations again"
        )
