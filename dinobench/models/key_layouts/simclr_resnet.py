"""ResNets of SimCLR as TensorFlow numbers their layers: in the order in which the network makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from dinobench.models.key_layouts import resnet
from dinobench.models.loading.conversion import StateDictConversion
from dinobench.models.loading.family import KeyLayout, ModelFacts, Network
from dinobench.models.loading.state_dict import State
from dinobench.models.networks.resnet import BOTTLENECK_DEPTHS
from dinobench.models.networks.selective_kernels import SelectiveKernelResNet
from dinobench.runtime.errors import InputError

Layers = Iterator[tuple[str, str]]
"""Our names of a convolution and of the norm behind it ("" for none)."""


def translate(conversion: StateDictConversion) -> None:
    """Numbers become names, kernels (h, w, in, out) the axes of torch."""
    selective = _is_selective(conversion)
    blocks = _blocks_of(conversion, selective)
    layers = list(_selective_layers(blocks) if selective else _plain_layers(blocks))
    norms = [norm for _, norm in layers if norm]
    for number, (name, _) in enumerate(layers):
        conversion.rename(rf"^conv2d{_suffix(number)}/kernel$", f"{name}.weight")
    for number, name in enumerate(norms):
        for ours, theirs in NORM_NAMES.items():
            conversion.rename(rf"^batch_normalization{_suffix(number)}/{theirs}$", f"{name}.{ours}")
    for name, tensor in list(conversion.tensors.items()):
        if tensor.ndim == 4:
            conversion.change(name, tensor.permute(3, 2, 0, 1).contiguous(), "transposed")


def write(state: State) -> State:
    """TensorFlow's numbers and axes: what `translate` undoes."""
    blocks = tuple(_count_blocks(state, stage) for stage in (1, 2, 3, 4))
    layers = list(_selective_layers(blocks) if "stem.0.weight" in state else _plain_layers(blocks))
    written = {}
    for number, (name, _) in enumerate(layers):
        written[f"conv2d{_suffix(number)}/kernel"] = state[f"{name}.weight"].permute(2, 3, 1, 0).contiguous()
    for number, name in enumerate(norm for _, norm in layers if norm):
        for ours, theirs in NORM_NAMES.items():
            written[f"batch_normalization{_suffix(number)}/{theirs}"] = state[f"{name}.{ours}"]
    return written


NORM_NAMES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def _count_blocks(state: State, stage: int) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(f"layer{stage}.")})


def build(conversion: StateDictConversion, facts: ModelFacts) -> Network:
    """The empty ResNet whose shape the tensors show; its pooling pads as TensorFlow does."""
    if "stem.0.weight" not in conversion:
        facts.get("padding", "same-pool", "as SimCLR pads")
        return resnet.build(conversion, facts, same="same-pool")
    planes = conversion.tensors["stem.6.weight"].shape[0]
    blocks = tuple(conversion.count(rf"layer{stage}\.") for stage in (1, 2, 3, 4))
    with torch.device("meta"):
        backbone = SelectiveKernelResNet(blocks, planes)
    return Network(backbone, f"resnet{BOTTLENECK_DEPTHS[blocks]}w{planes // 64}_sk", facts.get("image_size", 224))


def _suffix(number: int) -> str:
    return f"_{number}" if number else ""


def _is_selective(conversion: StateDictConversion) -> bool:
    """The stem of three 3x3 convolutions belongs to the networks with selective kernels."""
    return conversion.tensors["conv2d/kernel"].shape[0] == 3


def _blocks_of(conversion: StateDictConversion, selective: bool) -> tuple[int, ...]:
    """Blocks per stage, by the number of convolutions."""
    count = sum(re.fullmatch(r"conv2d(_\d+)?/kernel", name) is not None for name in conversion.tensors)
    stem, inside = (3, 5) if selective else (1, 3)
    for blocks in BOTTLENECK_DEPTHS:
        if count == stem + len(blocks) + inside * sum(blocks):
            return blocks
    raise InputError(f"{count} convolutions make no ResNet of SimCLR; is the checkpoint whole?")


def _plain_layers(blocks: tuple[int, ...]) -> Layers:
    yield "conv1", "bn1"
    for place, first in _places(blocks):
        if first:
            yield f"{place}.downsample.0", f"{place}.downsample.1"
        for number in (1, 2, 3):
            yield f"{place}.conv{number}", f"{place}.bn{number}"


def _selective_layers(blocks: tuple[int, ...]) -> Layers:
    for number in (0, 3, 6):
        yield f"stem.{number}", f"stem.{number + 1}"
    for place, first in _places(blocks):
        if first:
            yield f"{place}.downsample.0", f"{place}.downsample.1"
        for part in ("reduce", "pair", "squeeze"):
            yield f"{place}.{part}.0", f"{place}.{part}.1"
        yield f"{place}.mix", ""
        yield f"{place}.expand.0", f"{place}.expand.1"


def _places(blocks: tuple[int, ...]) -> Iterator[tuple[str, bool]]:
    """Each block's name, and whether it is the first of its stage."""
    for stage, count in enumerate(blocks, start=1):
        for number in range(count):
            yield f"layer{stage}.{number}", number == 0


LAYOUT = KeyLayout(
    "ResNet, TensorFlow's numbers",
    ("conv2d/kernel", "batch_normalization/moving_mean", "conv2d_20/kernel"),
    translate,
    build,
    write,
)
