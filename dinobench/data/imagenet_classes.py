"""ImageNet's 1000 classes, and the reassessed labels of its validation images, as timm keeps them."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

from dinobench.runtime.errors import InputError


@cache
def wnids() -> tuple[str, ...]:
    """The 1000 classes, such as n01440764, in the order of the rows of every released head."""
    return tuple(_timm_file("imagenet_synsets.txt").read_text(encoding="utf-8").split())


@cache
def real_labels() -> tuple[tuple[int, ...], ...]:
    """Classes of each of the 50,000 validation images by their number (ReaL, Beyer et al. 2020); some have none."""
    found = json.loads(_timm_file("imagenet_real_labels.json").read_text(encoding="utf-8"))
    return tuple(tuple(int(label) for label in labels) for labels in found)


def _timm_file(name: str) -> Path:
    spec = importlib.util.find_spec("timm")
    path = Path(spec.origin).parent / "data" / "_info" / name if spec and spec.origin else Path(name)
    if not path.is_file():
        raise InputError(f"timm has no {name}; install timm 1.0.20 or later")
    return path
