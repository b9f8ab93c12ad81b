"""dinobench: score any vision backbone the way the DINO paper does.

The command line's verbs are functions here, and so are the metrics on arrays of one's own. They are imported when
first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinobench.metrics.knn import knn_classify
    from dinobench.pipeline import evaluate, load_backbone
    from dinobench.results.frames import per_object, per_query, predictions, published, records
    from dinobench.results.tables import tables
    from dinobench.training import train

_ROOMS = {
    "evaluate": "dinobench.pipeline",
    "knn_classify": "dinobench.metrics.knn",
    "load_backbone": "dinobench.pipeline",
    "per_object": "dinobench.results.frames",
    "per_query": "dinobench.results.frames",
    "predictions": "dinobench.results.frames",
    "published": "dinobench.results.frames",
    "records": "dinobench.results.frames",
    "tables": "dinobench.results.tables",
    "train": "dinobench.training",
}
__all__ = [
    "__version__",
    "evaluate",
    "knn_classify",
    "load_backbone",
    "per_object",
    "per_query",
    "predictions",
    "published",
    "records",
    "tables",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("dinobench")
    if name not in _ROOMS:
        raise AttributeError(f"module 'dinobench' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
