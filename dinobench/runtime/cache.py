"""Where derived files may be kept between runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from dinobench.runtime.files import user_path

CACHE_VARIABLE = "DINOBENCH_CACHE"


def cache_folder(*parts: str) -> Path:
    """A folder below $DINOBENCH_CACHE, by default ~/.cache/dinobench; not created."""
    base = os.environ.get(CACHE_VARIABLE)
    return (user_path(base) if base else Path.home() / ".cache" / "dinobench").joinpath(*parts)


def built_folder(folder: Path, build: Callable[[Path], None]) -> Path:
    """`folder`, filled by `build` the first time it is asked for.

    It is built beside its place and renamed, so a killed build leaves nothing that looks finished.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        build(unfinished)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first, and its folder is as good
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder
