"""dinobench: score any vision backbone the way the DINO paper does.

The command line's verbs are functions here: `train`, `evaluate`, `load_backbone`, `tables`. They are imported when
first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_VERBS = {
    "train": "dinobench.training",
    "evaluate": "dinobench.pipeline",
    "load_backbone": "dinobench.pipeline",
    "tables": "dinobench.results.tables",
}
__all__ = ["evaluate", "load_backbone", "tables", "train"]


def __getattr__(name: str) -> Any:
    if name not in _VERBS:
        raise AttributeError(f"module 'dinobench' has no attribute {name!r}")
    return getattr(importlib.import_module(_VERBS[name]), name)
