"""DINO's training and its ablations."""

from __future__ import annotations

from typing import Any

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """`train`, imported when first used: recipes can be listed without torch."""
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dinobench.training.run import train

    return train
