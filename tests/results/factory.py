"""Records as tests need them."""

from __future__ import annotations

from typing import Any

import msgspec

from dinobench.results.records import RunRecord


def make_record(**changes: Any) -> RunRecord:
    """A comparable k-NN record of the released ViT-S/16, with `changes`."""
    values: dict[str, Any] = {
        "task": "knn",
        "protocol": {"name": "paper", "version": 1, "hash": "0" * 16},
        "main_metric": "top1",
        "model": {
            "name": "dino_vits16",
            "spec": "dino_vits16",
            "card": "dino_vits16",
            "architecture": "vit_small/16",
            "sha256": "ab" * 32,
            "parameters": 21_665_664,
        },
        "data": {"spec": "imagenet", "splits": {"val": {"sha256": "cd" * 32, "images": 50000, "classes": 1000}}},
        "settings": {"ks": [20]},
        "date": "2026-01-01T00:00:00+00:00",
        "device": "cpu",
        "environment": {},
        "metrics": {"top1": 74.46, "top5": 88.0},
        "comparable": True,
    }
    return msgspec.convert({**values, **{key: msgspec.to_builtins(value) for key, value in changes.items()}}, RunRecord)
