"""Where derived files may be kept between runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.leftovers import sweep, temporary_name

CACHE_VARIABLE = "DINOBENCH_CACHE"


def cache_folder(*parts: str) -> Path:
    """A folder below $DINOBENCH_CACHE, by default ~/.cache/dinobench; not created."""
    base = os.environ.get(CACHE_VARIABLE)
    return (user_path(base) if base else Path.home() / ".cache" / "dinobench").joinpath(*parts)


def built_folder(folder: Path, build: Callable[[Path], None]) -> Path:
    """`folder`, filled by `build` the first time it is asked for.

    It is built beside its place and renamed, so a killed build leaves nothing that looks finished; what it leaves is
    removed by the next.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    if folder.is_dir():
        return folder
    unfinished = temporary_name(folder)
    try:
        sweep(folder.parent)
        unfinished.mkdir(parents=True)
        build(unfinished)
        unfinished.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # else another process was first, and its folder is as good
            where = f"choose another place with {CACHE_VARIABLE}"
            raise InputError(f"cannot write {folder}: {error.strerror or error}; {where}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder
