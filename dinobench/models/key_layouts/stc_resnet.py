"""The encoder of STC (videowalk): torchvision's names; in older files each padded convolution is inside a pair."""

from __future__ import annotations

import re

import torch

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.resnet import STC_SHAPE, ResNet


def translate(conversion: StateDictConversion) -> None:
    """Names of torchvision; what the source takes away before it compares frames goes."""
    conversion.rename(r"(conv[12])\.1\.weight$", r"\1.weight")
    conversion.drop(r"layer4\.", "fourth stage, which the source takes away before it compares frames")
    conversion.drop(r"fc\.", "head")


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The empty encoder; its shape is that of the source, which no tensor shows."""
    with torch.device("meta"):
        backbone = ResNet(STC_SHAPE)
    return Network(backbone, "resnet18_stc", facts.get("image_size", 256))


def write_padded(state: State) -> State:
    """Each padded convolution as the second of a pair."""
    return {re.sub(r"(conv[12])\.weight$", r"\1.1.weight", name): tensor for name, tensor in state.items()}


LAYOUT = KeyLayout("ResNet of STC", ("conv1.weight", "bn1.running_mean", "layer3.0.conv1.weight"), translate, build)
PADDED_LAYOUT = KeyLayout(
    "ResNet of STC, padded convolutions",
    ("conv1.1.weight", "bn1.running_mean", "layer3.0.conv1.1.weight"),
    translate,
    build,
    write_padded,
)
