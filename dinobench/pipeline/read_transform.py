"""From a transform of the user's to the preprocessing that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from dinobench.data.transforms import evaluation_transform
from dinobench.models.networks.backbone import Preprocessing
from dinobench.runtime.errors import InputError

Transform = Callable[[Image.Image], Any]

_TO_TENSOR = frozenset({"ToTensor", "PILToTensor", "ToImage", "ConvertImageDtype", "ToDtype", "MaybeToTensor"})
_INSTEAD = "give dinobench.Preprocessing(mean=..., std=..., size=..., resize=..., interpolation=...)"
_TOLERANCE = 1e-5


def preprocessing_of(transform: Transform) -> Preprocessing:
    """What a torchvision transform does: Resize of the shorter side, CenterCrop, conversion, Normalize.

    Args:
        transform: Compose of those, in whatever version, or the preset that torchvision's weights carry.

    Raises:
        InputError: a step that is none of them, one that is missing, or a result that is not that of the preprocessing.
    """
    found = _of_preset(transform) if hasattr(transform, "resize_size") else _of_steps(transform)
    _require_same(transform, found)
    return found


def _of_preset(preset: Any) -> Preprocessing:
    return Preprocessing(
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        size=preset.crop_size[0],
        resize=preset.resize_size[0],
        interpolation=_filter_name(preset.interpolation),
    )


def _of_steps(transform: Any) -> Preprocessing:
    found = Preprocessing()
    known: set[str] = set()
    for step in getattr(transform, "transforms", [transform]):
        kind = type(step).__name__
        known.add(kind)
        if kind == "Resize":
            found = replace(found, resize=_one_side(step.size), interpolation=_filter_name(step.interpolation))
        elif kind == "CenterCrop":
            found = replace(found, size=_one_side(step.size))
        elif kind == "Normalize":
            found = replace(found, mean=_numbers(step.mean), std=_numbers(step.std))
        elif kind not in _TO_TENSOR:
            raise InputError(f"the transform has {kind}, which evaluation does not take; {_INSTEAD}")
    if missing := {"Resize", "CenterCrop", "Normalize"} - known:
        raise InputError(f"the transform has no {' and no '.join(sorted(missing))}; add it, or {_INSTEAD}")
    return found


def _one_side(size: Any) -> int:
    """The side of a square crop, or the shorter side of a resize; torchvision keeps an int, or one or two in a list."""
    sides = [size] if isinstance(size, int) else list(size)
    if len(set(sides)) != 1:
        raise InputError(f"the transform's size {size} is not a square; {_INSTEAD}")
    return int(sides[0])


def _filter_name(interpolation: Any) -> str:
    name = str(getattr(interpolation, "value", interpolation))
    if name not in ("bicubic", "bilinear"):
        raise InputError(f"the transform's interpolation is {name}; use bicubic or bilinear")
    return name


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _require_same(transform: Transform, found: Preprocessing) -> None:
    """Run both on one drawn image, wider than it is high: what was read must be what the transform does."""
    side = found.resize
    noise = np.random.default_rng(0).integers(0, 256, (side + 7, 2 * side + 3, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    ours = evaluation_transform(found.size, found.resize, found.interpolation, found.mean, found.std)(image)
    theirs = torch.as_tensor(transform(image))
    if theirs.shape != ours.shape or not torch.allclose(theirs.float(), ours, atol=_TOLERANCE / min(found.std)):
        raise InputError(
            f"the transform does more than resize, crop and normalize as it was read ({found}); {_INSTEAD}"
        )
