"""ResNets with selective kernels, a stem of three convolutions and pooled shortcuts, as SimCLR v2 has them."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.models.networks.resnet import BOTTLENECK_DEPTHS, PooledBackbone, same_padding

RATIO, LEAST = 1 / 16, 32
"""Width of the squeezed features: a share of the block's, and at least so many."""

_NAME = re.compile(r"resnet(\d+)w([1-9])_sk")


def selective_network(architecture: str, in_channels: int = 3) -> SelectiveKernelResNet | None:
    """The network of "resnetDEPTHwWIDTH_sk", with fresh weights; None for other names."""
    match = _NAME.fullmatch(architecture)
    depths = {depth: blocks for blocks, depth in BOTTLENECK_DEPTHS.items()}
    if match is None or int(match[1]) not in depths:
        return None
    return SelectiveKernelResNet(depths[int(match[1])], 64 * int(match[2]), in_channels)


class SelectiveKernelResNet(PooledBackbone):
    """A bottleneck ResNet whose 3x3 convolutions come in pairs that are mixed by their own features (Li et al. 2019).

    Args:
        blocks: per stage.
        planes: 64 for the standard width; doubles with every stage.
        in_channels: image channels.
    """

    def __init__(self, blocks: tuple[int, ...], planes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.dim, self.patch_size = 4 * planes * 2 ** (len(blocks) - 1), 4 * 2 ** (len(blocks) - 1)
        half = planes // 2
        self.stem = nn.Sequential(
            *_conv_norm(in_channels, half, 3, 2), *_conv_norm(half, half, 3), *_conv_norm(half, planes, 3)
        )
        self.stages, channels = [f"layer{number + 1}" for number in range(len(blocks))], planes
        for number, (name, count) in enumerate(zip(self.stages, blocks, strict=True)):
            width, stride = planes * 2**number, 1 if number == 0 else 2
            first = SelectiveBlock(channels, width, stride, shortcut=True)
            setattr(self, name, nn.Sequential(first, *(SelectiveBlock(4 * width, width) for _ in range(count - 1))))
            channels = 4 * width

    def last_map(self, images: Tensor) -> Tensor:
        """See `PooledBackbone`."""
        out = F.max_pool2d(same_padding(self.stem(images), 3, 2, value=-torch.inf), kernel_size=3, stride=2)
        for name in self.stages:
            out = self.get_submodule(name)(out)
        return out


class SelectiveBlock(nn.Module):
    """A bottleneck with a selective kernel in the middle: (B, C, H, W) -> (B, 4 width, H / stride, W / stride)."""

    def __init__(self, channels: int, width: int, stride: int = 1, *, shortcut: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.reduce = nn.Sequential(*_conv_norm(channels, width, 1))
        self.pair = nn.Sequential(*_conv_norm(width, 2 * width, 3, stride))
        squeezed = max(int(width * RATIO), LEAST)
        self.squeeze = nn.Sequential(*_conv_norm(width, squeezed, 1))
        self.mix = nn.Conv2d(squeezed, 2 * width, 1, bias=False)
        self.expand = nn.Sequential(*_conv_norm(width, 4 * width, 1)[:2])
        self.downsample = nn.Sequential(*_conv_norm(channels, 4 * width, 1)[:2]) if shortcut else None

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        shortcut = images if self.downsample is None else self.downsample(_pooled(images, self.stride))
        streams = torch.stack(self.pair(self.reduce(images)).chunk(2, dim=1))
        shares = self.mix(self.squeeze(streams.sum(0).mean((2, 3), keepdim=True)))
        mixed = (streams * torch.stack(shares.chunk(2, dim=1)).softmax(0)).sum(0)
        return F.relu(self.expand(mixed) + shortcut)


def _conv_norm(channels: int, width: int, size: int, stride: int = 1) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels, width, size, stride, padding=size // 2, bias=False)
    return convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)


def _pooled(images: Tensor, stride: int) -> Tensor:
    """Means over 2 x 2 pixels, one row and column of padding behind: zeros count with a stride, not without one."""
    means = F.avg_pool2d(F.pad(images, (0, 1, 0, 1)), 2, stride)
    if stride > 1:
        return means
    inside = F.pad(images.new_ones(1, 1, *images.shape[2:]), (0, 1, 0, 1))
    return means / F.avg_pool2d(inside, 2, 1)
