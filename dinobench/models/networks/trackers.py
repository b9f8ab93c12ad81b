"""The encoders of CT and MAST, which were trained to follow what they see through a video."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinobench.models.networks.backbone import Backbone
from dinobench.models.networks.resnet import PooledBackbone, ResNet, ResNetShape, make_stage

CT_SHAPE = ResNetShape((3, 4, 6), strides=(1, 2, 1))
"""The part of CT's ResNet-50 that compares frames: three stages, the third without its stride."""
MAST_SHAPE = ResNetShape((2, 2, 2, 2), bottleneck=False, strides=(1, 2, 1, 1))
_MAST_PLANES = (64, 128, 256, 256)


def tracker_network(architecture: str, in_channels: int = 3) -> Backbone | None:
    """The network of "resnet50_ct" or "resnet18_mast", with fresh weights; None for other names."""
    made = {"resnet50_ct": CycleNetwork, "resnet18_mast": MemoryTracker}.get(architecture)
    return made() if made and in_channels == 3 else None


class CycleNetwork(ResNet):
    """CT's encoder (Wang et al. 2019): three stages of a ResNet-50 and a projection to 512 channels, rectified."""

    def __init__(self, width: int = 512) -> None:
        super().__init__(CT_SHAPE)
        self.afterconv1 = nn.Conv2d(self.dim, width, 1, bias=False)
        self.dim = width

    def last_map(self, images: Tensor) -> Tensor:
        """See `PooledBackbone`."""
        return F.relu(self.afterconv1(super().last_map(images)))


class MemoryTracker(PooledBackbone):
    """MAST's encoder (Lai et al. 2020): a ResNet-18 without pooling on Lab colors, and a convolution to 64 channels.

    It takes RGB images between 0 and 1; the colors are converted inside.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dim, self.patch_size = 64, 4
        self.conv1 = nn.Conv2d(3, MAST_SHAPE.stem, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(MAST_SHAPE.stem)
        self.stages, channels = [f"layer{number + 1}" for number in range(len(_MAST_PLANES))], MAST_SHAPE.stem
        for name, planes, blocks, stride in zip(
            self.stages, _MAST_PLANES, MAST_SHAPE.blocks, MAST_SHAPE.strides, strict=True
        ):
            setattr(self, name, make_stage(MAST_SHAPE, channels, planes, blocks, stride))
            channels = planes
        self.post_convolution = nn.Conv2d(channels, self.dim, 3, padding=1)
        # Here and not at import, where it takes seconds of every command.
        self.read_colors = torch.compiler.disable(lab_colors)  # type: ignore[no-untyped-call]

    def last_map(self, images: Tensor) -> Tensor:
        """See `PooledBackbone`."""
        out = F.relu(self.bn1(self.conv1(self.read_colors(images))))
        for name in self.stages:
            out = self.get_submodule(name)(out)
        return self.post_convolution(out)  # type: ignore[no-any-return]


def lab_colors(images: Tensor) -> Tensor:
    """RGB images (B, 3, H, W) between 0 and 1 in Lab, each channel between -1 and 1.

    By OpenCV, on the CPU, as the source does it: OpenCV reads a table, whose values differ from the definition's by up
    to 0.4 of 127, and the weights were trained on the table's. No gradient passes.
    """
    pixels = images.detach().float().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    lab = np.stack([cv2.cvtColor(each, cv2.COLOR_RGB2Lab) for each in pixels])
    middle, reach = images.new_tensor([50.0, 0.0, 0.0]), images.new_tensor([50.0, 127.0, 127.0])
    colors = torch.from_numpy(lab).to(images.device, images.dtype)
    return ((colors - middle) / reach).permute(0, 3, 1, 2).contiguous()
