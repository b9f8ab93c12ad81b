"""ResNets whose shape can be read off a checkpoint: any depth, any width, ImageNet or small-image stem."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.models.networks.backbone import Backbone, Features
from dinobench.runtime.errors import InputError

SamePadding = Literal["torch", "same-pool", "same"]

BOTTLENECK_DEPTHS: dict[tuple[int, ...], int] = {
    (3, 4, 6, 3): 50,
    (3, 4, 23, 3): 101,
    (3, 8, 36, 3): 152,
    (3, 24, 36, 3): 200,
}
BASIC_DEPTHS: dict[tuple[int, ...], int] = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 34}
_WIDE = re.compile(r"resnet(\d+)w([1-9])")


class PooledBackbone(Backbone):
    """A convnet of ours: one level of features, pooled by the mean."""

    depth = 1

    def last_map(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, h, w)."""
        raise NotImplementedError

    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """See `Backbone`; a convnet has one level."""
        if n != 1:
            raise InputError(f"a convnet has one level of features, not {n}; ask for the last")
        last = self.last_map(images)
        return (Features(last.mean(dim=(2, 3)), last.permute(0, 2, 3, 1)),)

    def attention(self, images: Tensor) -> Tensor:
        """See `Backbone`; refused."""
        raise InputError("a convnet has no self-attention over a class token; use a vision transformer")


@dataclass(frozen=True)
class ResNetShape:
    """What fixes a ResNet.

    Attributes:
        blocks: per stage.
        planes: 64 for the standard ResNet, 128 for w2, ...; doubles with every stage.
        stem: channels of the first convolution.
        bottleneck: three convolutions per block, the last four times as wide, instead of two.
        base_width, groups: of the bottleneck's middle convolution, as torchvision defines them.
        strides: of the stages.
        reflect: whether convolutions pad by reflection in place of zeros.
        small: 3x3 stem without stride or pooling, for small images.
        padding: of the first convolution.
        same: where strides pad as TensorFlow's SAME does, more after than before: "torch" for nowhere, "same-pool" for
            the stem's pooling (SimCLR), "same" for the convolutions as well (BYOL).
    """

    blocks: tuple[int, ...]
    planes: int = 64
    stem: int = 64
    bottleneck: bool = True
    base_width: int = 64
    groups: int = 1
    strides: tuple[int, ...] = (1, 2, 2, 2)
    reflect: bool = False
    small: bool = False
    padding: int = 3
    in_channels: int = 3
    same: SamePadding = "torch"


STC_SHAPE = ResNetShape((2, 2, 2), bottleneck=False, strides=(1, 2, 1), reflect=True)
"""The part of STC's ResNet-18 that compares frames: three stages, the third without its stride."""


def named_shape(architecture: str, in_channels: int = 3) -> ResNetShape | None:
    """The shape of "resnetDEPTHwWIDTH", every layer WIDTH times as wide, or of "resnet18_stc"; None for other names."""
    if architecture == "resnet18_stc":
        return replace(STC_SHAPE, in_channels=in_channels)
    match = _WIDE.fullmatch(architecture)
    depths = {depth: blocks for blocks, depth in BOTTLENECK_DEPTHS.items()}
    if match is None or int(match[1]) not in depths:
        return None
    width = 64 * int(match[2])
    return ResNetShape(depths[int(match[1])], planes=width, stem=width, in_channels=in_channels)


def same_padding(images: Tensor, size: int, stride: int, value: float = 0.0) -> Tensor:
    """Images (B, C, H, W) padded as TensorFlow's SAME for a window of `size` and `stride`, the odd pixel after."""
    sides: list[int] = []
    for length in (images.shape[-1], images.shape[-2]):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(images, sides, value=value)


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's SAME."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, ceil(H / stride), ceil(W / stride))."""
        padded = same_padding(images, self.kernel_size[0], self.stride[0])
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


def pad_strides_same(network: nn.Module) -> None:
    """Let every convolution with a stride pad as SAME; at stride 1 both ways are one."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.stride[0] > 1 and not isinstance(child, SameConv2d):
                size, stride = child.kernel_size[0], child.stride[0]
                options = {"groups": child.groups, "bias": child.bias is not None, "device": child.weight.device}
                same = SameConv2d(child.in_channels, child.out_channels, size, stride, **options)  # type: ignore[arg-type]
                setattr(module, name, same)


def _pad_by_reflection(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.padding_mode = "reflect"


class ResNet(PooledBackbone):
    """ResNet with torchvision's blocks and parameter names, without classifier."""

    def __init__(self, shape: ResNetShape) -> None:
        super().__init__()
        self.shape = shape
        expansion = 4 if shape.bottleneck else 1
        self.dim = shape.planes * 2 ** (len(shape.blocks) - 1) * expansion
        self.patch_size = (1 if shape.small else 4) * math.prod(shape.strides)
        size, stride = (3, 1) if shape.small else (7, 2)
        self.conv1 = nn.Conv2d(shape.in_channels, shape.stem, size, stride, padding=shape.padding, bias=False)
        self.bn1 = nn.BatchNorm2d(shape.stem)
        self.stages = [f"layer{number + 1}" for number in range(len(shape.blocks))]
        channels = shape.stem
        for number, name in enumerate(self.stages):
            planes = shape.planes * 2**number
            stage = make_stage(shape, channels, planes, shape.blocks[number], shape.strides[number])
            setattr(self, name, stage)
            channels = planes * expansion
        if shape.same == "same":
            pad_strides_same(self)
        if shape.reflect:
            _pad_by_reflection(self)

    def _pool_stem(self, stem: Tensor) -> Tensor:
        if self.shape.same == "torch":
            return F.max_pool2d(stem, kernel_size=3, stride=2, padding=1)
        return F.max_pool2d(same_padding(stem, 3, 2, value=-torch.inf), kernel_size=3, stride=2)

    def last_map(self, images: Tensor) -> Tensor:
        """See `PooledBackbone`."""
        out = F.relu(self.bn1(self.conv1(images)))
        if not self.shape.small:
            out = self._pool_stem(out)
        for name in self.stages:
            out = self.get_submodule(name)(out)
        return out


def make_stage(shape: ResNetShape, channels: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    """A stage of `blocks` blocks from `channels` channels; the first block has the stride."""
    from torchvision.models.resnet import BasicBlock, Bottleneck  # here: torchvision takes seconds to import

    block: type[BasicBlock | Bottleneck] = Bottleneck if shape.bottleneck else BasicBlock
    width = planes * block.expansion
    shortcut = None
    if stride != 1 or channels != width:
        shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
    options = {"groups": shape.groups, "base_width": shape.base_width}
    first = block(channels, planes, stride, shortcut, **options)
    return nn.Sequential(first, *(block(width, planes, **options) for _ in range(blocks - 1)))


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; where the width doubles, the shortcut subsamples and pads channels with zeros."""

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.stride, self.padding = stride, (planes - channels) // 2
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, planes, h / stride, w / stride)."""
        out = F.relu(self.bn1(self.conv1(images)))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        shortcut = F.pad(shortcut, (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(self.bn2(self.conv2(out)) + shortcut)


class CifarResNet(PooledBackbone):
    """The ResNet of 6n + 2 layers for 32 px images (He et al. 2015, section 4.2) with parameter-free shortcuts."""

    def __init__(self, blocks: int, width: int = 16) -> None:
        super().__init__()
        self.dim, self.patch_size = 4 * width, 4
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._make_stage(width, width, blocks, stride=1)
        self.layer2 = self._make_stage(width, 2 * width, blocks, stride=2)
        self.layer3 = self._make_stage(2 * width, 4 * width, blocks, stride=2)

    def last_map(self, images: Tensor) -> Tensor:
        """See `PooledBackbone`."""
        out = F.relu(self.bn1(self.conv1(images)))
        last: Tensor = self.layer3(self.layer2(self.layer1(out)))
        return last

    @staticmethod
    def _make_stage(channels: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
        rest = (CifarBlock(planes, planes, 1) for _ in range(blocks - 1))
        return nn.Sequential(CifarBlock(channels, planes, stride), *rest)
