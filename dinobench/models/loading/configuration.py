"""The configurations that a hub keeps beside weights: of `transformers`, or of timm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from dinobench.models.loading.choices import Choice
from dinobench.models.loading.container import CheckpointContents
from dinobench.models.loading.state_dict import flatten
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import read_json

# Our names for its facts, and what must agree with the tensors before they count.
FACTS = {"heads": "num_attention_heads", "norm_eps": "layer_norm_eps", "architecture": "architecture"}
PREPROCESSING = "preprocessing"
"""Under which name the facts hold what images must become."""
_WAYS = {"bilinear": "bilinear", "bicubic": "bicubic", "2": "bilinear", "3": "bicubic"}
SHAPE = {"width": "hidden_size", "depth": "num_hidden_layers", "patch": "patch_size"}
_BLOCK = re.compile(r"(?:blocks|layers?|encoder_layer|encoderblock)[._](\d+)[./]")


def configuration_of(path: Path, contents: CheckpointContents) -> tuple[dict[str, Any], Choice | None]:
    """ModelFacts from a configuration beside a file, none where it is of another model; then a choice says so."""
    if not path.is_file():
        return {}, None
    try:
        raw = read_json(path)
    except InputError:
        raw = None
    if not isinstance(raw, Mapping):
        return {}, Choice("config.json", "left out: it cannot be read", "beside the file")
    facts = {ours: raw.get(theirs) for ours, theirs in FACTS.items()}
    facts = {name: value for name, value in facts.items() if isinstance(value, (int, float, str))}
    if not facts:
        return {}, None
    if wrong := "" if "architecture" in facts else _describe_misfit(raw, flatten(contents.content)):
        return {}, Choice("config.json", f"left out: {wrong}", "beside the file, of another model")
    return {**facts, PREPROCESSING: _preprocessing_of(raw, path.with_name("preprocessor_config.json"))}, None


def _preprocessing_of(raw: Mapping[str, Any], beside: Path) -> dict[str, Any]:
    """Mean, deviation and interpolation as timm's own configuration has them, or `transformers`' in its own file."""
    timms = raw.get("pretrained_cfg", raw)
    theirs = timms if isinstance(timms, Mapping) else {}
    found: dict[str, Any] = {name: _numbers(theirs.get(name)) for name in ("mean", "std")}
    found["interpolation"] = _WAYS.get(str(theirs.get("interpolation")))
    try:
        stated = read_json(beside) if beside.is_file() else {}
    except InputError:
        stated = {}
    if isinstance(stated, Mapping):
        found |= {name: _numbers(stated.get(f"image_{name}")) or found[name] for name in ("mean", "std")}
        found["interpolation"] = _WAYS.get(str(stated.get("resample"))) or found["interpolation"]
    return {name: value for name, value in found.items() if value}


def _numbers(value: object) -> tuple[float, ...]:
    """A list of numbers, one per channel; empty for anything else."""
    plain = isinstance(value, list) and all(type(item) in (int, float) for item in value)
    return tuple(map(float, value)) if plain and isinstance(value, list) else ()


def _describe_misfit(raw: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """Where a configuration and the tensors disagree, "" where width, depth and patch agree."""
    tensors = _shape_of(state)
    for name, theirs in SHAPE.items():
        if raw.get(theirs) != tensors.get(name):
            return f"its {name} is {raw.get(theirs)}, the file's {tensors.get(name)}"
    return ""


def _shape_of(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Width, depth and patch of a vision transformer, from the first patch embedding and the blocks' numbers."""
    embeddings = (tensor for name, tensor in state.items() if tensor.ndim == 4 and "patch" in name)
    first = next(embeddings, None)
    if first is None:
        return {}
    blocks = {int(found[1]) for name in state if (found := _BLOCK.search(name)) and len(found[1]) < 10}
    return {"width": first.shape[0], "depth": max(blocks, default=-1) + 1, "patch": first.shape[-1]}
