"""A task of each evaluator, and others that share work in ways of their own, each of which takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dinobench.data.registry import get_twin
from tests.evaluators.imagenet_heads import write_imagenet

TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "knn-flowers": ("mini", {}),
    "linear": ("photos", {"epochs": 1}),
    "linear@cached": ("photos", {"epochs": 2}),
    "logistic-flowers": ("mini", {}),
    "knn-10pct": ("photos", {}),
    "knn-voc07": ("mini", {}),
    "logistic-voc07": ("mini", {}),
    "class-retrieval": ("photos", {}),
    "finetune-flowers@quick": ("mini", {"epochs": 2, "warmup_epochs": 0, "batch_size": 48}),
    "davis@quick": ("mini", {"image_size": 64, "pictures": False}),
    "ytvos@quick": ("mini", {"image_size": 48, "pictures": False}),
    "mose@quick": ("mini", {"image_size": 48, "pictures": False}),
    "roxford": ("mini", {"image_size": 64}),
    "copydays": ("mini", {"image_size": 48}),
    "voc-attention@quick": ("mini", {}),
    "discovery-voc07@lost": ("mini", {"image_size": 48}),
    "discovery-voc07@tokencut": ("mini", {"image_size": 48}),
    "homography": ("photos", {"image_size": 64, "samples": 16}),
    "spair": ("mini", {"grid": 8}),
    "navi": ("mini", {"image_size": 64, "reduced": 120}),
    "met": ("mini", {}),
    "amstertime": ("mini", {}),
    "depth-nyu@quick": (
        "mini",
        {"image_size": 48, "crop_height": 40, "crop_width": 40, "iterations": 3, "warmup_iterations": 1},
    ),
    "imagenet-r": ("renditions", {"head": "head.safetensors", "features": ["cls"]}),
    "imagenet-c": ("corrupted", {"head": "head.safetensors", "features": ["cls"]}),
    "seg-camvid@quick": ("mini", {"image_size": 64, "max_iterations": 10}),
    "seg-camvid@capi-knn": ("mini", {"image_size": 64, "ks": [1, 5]}),
    "seg-camvid@hummingbird": ("mini", {"image_size": 64, "memory_size": 600}),
    "seg-camvid@dinov3": (
        "mini",
        {
            "image_size": 64,
            "window": 48,
            "stride": 32,
            "iterations": 8,
            "warmup_iterations": 2,
            "batch_size": 2,
        },
    ),
    "label-free@quick": ("photos", {"samples": 64, "view_images": 8, "views": 4}),
    "throughput": ("mini", {"batch_size": 2, "repeats": 2, "warm_up": 0}),
}
"""Data and settings by task; every evaluator is there. Data other than `mini` are what `write_data` writes."""


def write_data(root: Path, model: str) -> None:
    """The data that are not drawn by name, below the folder in which the tasks run."""
    write_imagenet(root, model)
    get_twin("imagenet").write(root / "photos")
