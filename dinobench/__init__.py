"""dinobench: score any vision backbone the way the DINO paper does.

The command line's verbs are functions here, and so are the metrics on arrays of one's own. They are imported when
first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinobench.data.open import open_dataset, open_images
    from dinobench.evaluators.attention_segmentation.maps import AttentionMaps
    from dinobench.metrics.knn import knn_classify
    from dinobench.metrics.logistic import logistic_classify
    from dinobench.metrics.ranking import retrieval_scores
    from dinobench.metrics.segmentation import davis_scores
    from dinobench.models.networks.backbone import Backbone, Features, Preprocessing
    from dinobench.pipeline import evaluate, load_backbone, wrap_module
    from dinobench.pipeline.vision_model import VisionModel
    from dinobench.results.frames import confusion, per_class, per_object, per_query, predictions, published, records
    from dinobench.results.tables import tables
    from dinobench.runtime.errors import InputError
    from dinobench.training import train

_ROOMS = {
    "AttentionMaps": "dinobench.evaluators.attention_segmentation.maps",
    "Backbone": "dinobench.models.networks.backbone",
    "Features": "dinobench.models.networks.backbone",
    "InputError": "dinobench.runtime.errors",
    "Preprocessing": "dinobench.models.networks.backbone",
    "VisionModel": "dinobench.pipeline.vision_model",
    "confusion": "dinobench.results.frames",
    "davis_scores": "dinobench.metrics.segmentation",
    "evaluate": "dinobench.pipeline",
    "knn_classify": "dinobench.metrics.knn",
    "load_backbone": "dinobench.pipeline",
    "logistic_classify": "dinobench.metrics.logistic",
    "open_dataset": "dinobench.data.open",
    "open_images": "dinobench.data.open",
    "per_class": "dinobench.results.frames",
    "per_object": "dinobench.results.frames",
    "per_query": "dinobench.results.frames",
    "predictions": "dinobench.results.frames",
    "published": "dinobench.results.frames",
    "records": "dinobench.results.frames",
    "retrieval_scores": "dinobench.metrics.ranking",
    "tables": "dinobench.results.tables",
    "train": "dinobench.training",
    "wrap_module": "dinobench.pipeline",
}
__all__ = [
    "AttentionMaps",
    "Backbone",
    "Features",
    "InputError",
    "Preprocessing",
    "VisionModel",
    "__version__",
    "confusion",
    "davis_scores",
    "evaluate",
    "knn_classify",
    "load_backbone",
    "logistic_classify",
    "open_dataset",
    "open_images",
    "per_class",
    "per_object",
    "per_query",
    "predictions",
    "published",
    "records",
    "retrieval_scores",
    "tables",
    "train",
    "wrap_module",
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
