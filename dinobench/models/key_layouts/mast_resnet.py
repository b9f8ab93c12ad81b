"""The encoder of MAST: residual blocks as numbered sequences `left` and `shortcut`."""

from __future__ import annotations

import re

import torch

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.trackers import MemoryTracker

_STEM = {"conv1": "conv1.0", "bn1": "conv1.1"}
_PARTS = {"left.0": "conv1", "left.1": "bn1", "left.3": "conv2", "left.4": "bn2", "shortcut": "downsample"}


def translate(conversion: StateDictConversion) -> None:
    """`feature_extraction.layer1.0.left.3.weight` is `layer1.0.conv2.weight`."""
    conversion.rename(r"^feature_extraction\.conv1\.0\.", "conv1.")
    conversion.rename(r"^feature_extraction\.conv1\.1\.", "bn1.")
    conversion.rename(r"^feature_extraction\.", "")
    for theirs, ours in _PARTS.items():
        conversion.rename(rf"^(layer\d+\.\d+)\.{theirs}\.", rf"\1.{ours}.")


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The empty encoder; its strides are those of the source, which no tensor shows."""
    with torch.device("meta"):
        backbone = MemoryTracker()
    return Network(backbone, "resnet18_mast", facts.get("image_size", 256))


def write(state: State) -> State:
    """The names of the source: what `translate` undoes."""
    return {_source_name(name): tensor for name, tensor in state.items()}


def _source_name(name: str) -> str:
    if name.startswith("post_convolution."):
        return name
    first, _, rest = name.partition(".")
    if first in _STEM:
        return f"feature_extraction.{_STEM[first]}.{rest}"
    for theirs, ours in _PARTS.items():
        name = re.sub(rf"^(layer\d+\.\d+)\.{ours}\.", rf"\1.{theirs}.", name)
    return f"feature_extraction.{name}"


LAYOUT = KeyLayout(
    "ResNet of MAST",
    (
        "feature_extraction.conv1.0.weight",
        "feature_extraction.layer1.0.left.0.weight",
        "post_convolution.weight",
    ),
    translate,
    build,
    write,
)
