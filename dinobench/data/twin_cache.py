"""Drawn twins kept on disk, so that `--data mini` serves tasks whose data have a layout of their own."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

from dinobench.data import mini
from dinobench.data.registry import get_twin
from dinobench.runtime.cache import built_folder, cache_folder


def twin_folder(dataset: str) -> Path:
    """Folder with the small twin of `dataset` in its true layout, drawn on first use.

    The folder's name carries a digest of the code that draws it: a changed generator never serves old drawings.

    Raises:
        InputError: no twin of that dataset.
    """
    twin = get_twin(dataset)
    code = inspect.getsource(mini) + inspect.getsource(twin)  # type: ignore[arg-type]
    version = hashlib.sha256(code.encode()).hexdigest()[:12]
    return built_folder(cache_folder("twins", version) / dataset, twin.write)
