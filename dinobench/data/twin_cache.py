"""Drawn twins kept on disk, so that `--data mini` serves tasks whose data have a layout of their own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dinobench.data import drawing, mini, twins
from dinobench.data.registry import get_twin
from dinobench.runtime.cache import built_folder, cache_folder


def twin_folder(dataset: str) -> Path:
    """Folder with the small twin of `dataset` in its true layout, drawn on first use.

    The folder's name carries a digest of the code that draws it: a changed generator never serves old drawings.

    Raises:
        InputError: no twin of that dataset.
    """
    return built_folder(cache_folder("twins", _drawing_version()) / dataset, get_twin(dataset).write)


def _drawing_version() -> str:
    """Digest of every file that a twin may be drawn by."""
    files = [Path(module.__file__ or "") for module in (drawing, mini)]
    files += sorted(path for folder in twins.__path__ for path in Path(folder).glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]
