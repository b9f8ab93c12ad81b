"""ResNets in torchvision's names, whatever stands before them, and the same network as a numbered sequence."""

from __future__ import annotations

import re

import torch

from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.resnet import (
    BASIC_DEPTHS,
    BOTTLENECK_DEPTHS,
    CifarResNet,
    ResNet,
    ResNetShape,
    SamePadding,
)
from dinobench.runtime.errors import InputError

# torchvision's children in order, as nn.Sequential(*children) numbers them; 2, 3 and 8 hold no tensors.
CHILDREN = {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3", 7: "layer4"}


def translate(conversion: StateDictConversion) -> None:
    """The names are ours already; heads go."""
    conversion.drop(r"(fc|head|linear|last_linear|classifier|projection_head|prototypes)(\.|$|\d)", "head")
    conversion.rename(r"\.shortcut\.", ".downsample.")


def translate_numbered(conversion: StateDictConversion) -> None:
    """`0.weight` is `conv1.weight`, `4.0.conv1.weight` is `layer1.0.conv1.weight`."""
    for number, name in CHILDREN.items():
        conversion.rename(rf"^{number}\.", f"{name}.")
    translate(conversion)


def write_numbered(state: State) -> State:
    """`conv1.weight` becomes `0.weight`, `layer1.0.conv1.weight` `4.0.conv1.weight`."""
    numbers = {name: str(number) for number, name in CHILDREN.items()}
    return {re.sub(r"^\w+", lambda found: numbers[found[0]], name): tensor for name, tensor in state.items()}


def translate_blocks(conversion: StateDictConversion) -> None:
    """OBoW's list of feature blocks: the stem, then the four stages."""
    conversion.rename(r"^_feature_blocks\.0\.Conv\.", "conv1.")
    conversion.rename(r"^_feature_blocks\.0\.bn\.", "bn1.")
    conversion.rename(r"^_feature_blocks\.(\d)\.", r"layer\1.")
    translate(conversion)


def build(conversion: StateDictConversion, facts: ModelFacts, same: SamePadding = "torch") -> Network:
    """The empty ResNet whose shape the tensors show; `same` is how it pads where nobody says."""
    shape = _read_shape(conversion, facts, same)
    with torch.device("meta"):
        backbone = ResNet(shape)
    return Network(backbone, _shape_name(shape), facts.get("image_size", 32 if shape.small else 224))


def build_cifar(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The empty CIFAR ResNet; its depth is 6n + 2."""
    blocks = [_block_count(conversion, stage) for stage in (1, 2, 3)]
    if len(set(blocks)) != 1:
        raise InputError(f"stages of {blocks} blocks make no CIFAR ResNet, whose stages are equal; is a block missing?")
    with torch.device("meta"):
        backbone = CifarResNet(blocks[0], conversion.tensors["conv1.weight"].shape[0])
    return Network(backbone, f"cifar_resnet{6 * blocks[0] + 2}", facts.get("image_size", 32))


ANCHORS = ("conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer4.0.conv1.weight")
LAYOUT = KeyLayout("ResNet, torchvision names", ANCHORS, translate, build)
NUMBERED_LAYOUT = KeyLayout(
    "ResNet, numbered children",
    ("0.weight", "1.running_mean", "4.0.conv1.weight", "7.0.conv1.weight"),
    translate_numbered,
    build,
    write_numbered,
)
BLOCKS_LAYOUT = KeyLayout(
    "ResNet, feature blocks",
    ("_feature_blocks.0.Conv.weight", "_feature_blocks.4.0.conv1.weight"),
    translate_blocks,
    build,
)
CIFAR_LAYOUT = KeyLayout(
    "CIFAR ResNet",
    ("conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer3.0.conv1.weight"),
    translate,
    build_cifar,
)


def _read_shape(conversion: StateDictConversion, facts: ModelFacts, same: SamePadding) -> ResNetShape:
    tensors = conversion.tensors
    stem, channels, size, _ = tensors["conv1.weight"].shape
    if size not in (3, 7):
        raise InputError(f"conv1.weight of shape {tuple(tensors['conv1.weight'].shape)} is not a ResNet stem")
    first = tensors["layer1.0.conv1.weight"].shape[0]
    last = tensors.get("layer1.0.conv3.weight")
    blocks = tuple(_block_count(conversion, stage) for stage in (1, 2, 3, 4))
    known = BASIC_DEPTHS if last is None else BOTTLENECK_DEPTHS
    if blocks not in known:
        raise InputError(f"stages of {blocks} blocks make no known ResNet; is a block missing?")
    planes = first if last is None else last.shape[0] // 4
    middle = tensors.get("layer1.0.conv2.weight")
    groups = 1 if last is None or middle is None else first // middle.shape[1]
    return ResNetShape(
        blocks=blocks,
        planes=planes,
        stem=stem,
        bottleneck=last is not None,
        base_width=64 if last is None else first * 64 // (planes * groups),
        groups=groups,
        small=size == 3,
        padding=facts.get("stem_padding", 1) if size == 3 else 3,
        in_channels=channels,
        same=facts.get("padding") or same,
    )


def _block_count(conversion: StateDictConversion, stage: int) -> int:
    return conversion.count(rf"layer{stage}\.")


def _shape_name(shape: ResNetShape) -> str:
    depth = (BOTTLENECK_DEPTHS if shape.bottleneck else BASIC_DEPTHS)[shape.blocks]
    widen = f"w{shape.planes // 64}" if shape.planes > 64 else ""
    inner = f"_{shape.groups}x{shape.base_width}d" if (shape.groups, shape.base_width) != (1, 64) else ""
    return f"resnet{depth}{widen}{inner}{'_small_stem' if shape.small else ''}"
