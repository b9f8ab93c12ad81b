"""How images become the input of a loaded network, and on whose word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from dinobench.models.loading.choices import Choice
from dinobench.models.loading.settings import ModelSettings
from dinobench.models.networks.backbone import Preprocessing
from dinobench.runtime.errors import InputError

LARGEST_SIDE = 16384
YOURS = "set by you"
FILE = "from the checkpoint"
BESIDE = "from the configuration beside it"


def default_resize(size: int) -> int:
    """Shorter side before the center crop where nobody says: 256 for 224; small images are taken whole."""
    return Preprocessing().at(size).resize


def choose_preprocessing(
    base: Preprocessing,
    source: str,
    settings: ModelSettings,
    *,
    size: int = 0,
    channels: int = 3,
    arguments: Mapping[str, Any] | None = None,
    beside: Mapping[str, Any] | None = None,
) -> tuple[Preprocessing, tuple[Choice, ...]]:
    """The preprocessing of a network, and for each part on whose word it is.

    Args:
        base: the family's or library's.
        source: who says so, such as "from timm's config".
        settings: what the user sets stands above all.
        size: side of the input that the network is meant for, 0 for the base's.
        channels: of the network's input.
        arguments: the checkpoint's own training arguments.
        beside: parts of the preprocessing as the hub's configuration beside the checkpoint has them.

    Raises:
        InputError: a mean or deviation that does not fit the channels, or a side that no image has.
    """
    arguments = arguments or {}
    side = settings.image_size or size or base.size
    if not 0 < side <= LARGEST_SIDE:
        raise InputError(f"an input of {side} pixels is beyond 1 to {LARGEST_SIDE}; say --set image_size=N")
    chosen, sources = base.at(side), {field.name: source for field in fields(Preprocessing)}
    layers = [(BESIDE, dict(beside or {})), (FILE, _of_checkpoint(arguments, side)), (YOURS, _of_user(settings))]
    for word, values in layers:
        chosen = replace(chosen, **values)
        sources |= dict.fromkeys(values, word)
    if channels == 1 and len(chosen.mean) == len(chosen.std) == 3:
        gray: dict[str, Any] = {"mean": (_rounded_mean(chosen.mean),), "std": (_rounded_mean(chosen.std),)}
        chosen = replace(chosen, **gray)
        sources |= dict.fromkeys(gray, f"the mean of three channels for gray images, {source}")
    _refuse_misfits(chosen, channels)
    return chosen, _preprocessing_choices(chosen, sources)


def _preprocessing_choices(chosen: Preprocessing, sources: Mapping[str, str]) -> tuple[Choice, ...]:
    mean, std = ("/".join(f"{value:g}" for value in values) for values in (chosen.mean, chosen.std))
    return (
        Choice("mean", mean, sources["mean"]),
        Choice("std", std, sources["std"]),
        Choice("interpolation", chosen.interpolation, sources["interpolation"]),
        Choice("resize_size", str(chosen.resize), sources["resize"]),
        Choice("image_size", str(chosen.size), sources["size"]),
    )


def _of_user(settings: ModelSettings) -> dict[str, Any]:
    named = {
        "mean": settings.mean,
        "std": settings.std,
        "interpolation": settings.interpolation,
        "resize": settings.resize_size,
        "size": settings.image_size,
    }
    return {name: value for name, value in named.items() if value}


def _of_checkpoint(arguments: Mapping[str, Any], side: int) -> dict[str, Any]:
    """What the training arguments say; how images are resized holds for their own size alone."""
    named: dict[str, Any] = {"mean": _float_tuple(arguments.get("mean")), "std": _float_tuple(arguments.get("std"))}
    if side == arguments.get("input_size"):
        resize, interpolation = arguments.get("resize"), arguments.get("interpolation")
        named["resize"] = resize if type(resize) is int and 0 < resize <= LARGEST_SIDE else None
        named["interpolation"] = "bilinear" if interpolation == "bilinear" else "bicubic"
    return {name: value for name, value in named.items() if value}


def _float_tuple(value: object) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, (list, tuple)) else ()


def _rounded_mean(values: tuple[float, ...]) -> float:
    return round(sum(values) / len(values), 6)


def _refuse_misfits(chosen: Preprocessing, channels: int) -> None:
    if chosen.resize < chosen.size:
        raise InputError(
            f"resize_size={chosen.resize} is smaller than image_size={chosen.size}, which would add a black border; "
            f"say --set resize_size={default_resize(chosen.size)}"
        )
    if not len(chosen.mean) == len(chosen.std) == channels:
        zeros = ",".join(["0"] * channels)
        raise InputError(
            f"the network takes images of {channels} channels, but mean has {len(chosen.mean)} numbers and std "
            f"{len(chosen.std)}; say --set mean=[{zeros}] and std= with one number per channel, for such images"
        )
    if not all(map(math.isfinite, chosen.mean)) or not all(0 < value < math.inf for value in chosen.std):
        raise InputError(
            f"mean {chosen.mean} or std {chosen.std} is not a finite number above 0; say --set mean= and std="
        )
