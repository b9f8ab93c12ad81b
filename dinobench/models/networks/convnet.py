"""Convolutional networks through the Backbone contract: pooled output and last map."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from dinobench.models.networks.adapter import Adapter
from dinobench.models.networks.backbone import Features
from dinobench.runtime.errors import InputError


class ConvNet(Adapter):
    """A network of torchvision's making: a stack of maps, a pooling, and one linear classifier that is cut off.

    `Features.cls` is what the classifier saw, `Features.patches` the last map before pooling.

    Args:
        network: its last linear layer, if any, is replaced by the identity.
        image_size: a square input that it accepts, in pixels; used once, on no data, to find the last map.

    Raises:
        InputError: no child of the network gives a map.
    """

    def __init__(self, network: nn.Module, *, image_size: int = 224) -> None:
        super().__init__(_without_classifier(network))
        self.last_map, self.dim, self.patch_size = _probe_network(network, image_size)
        self.depth = 1

    def last_features(self, images: Tensor) -> Features:
        """See `Adapter`."""
        maps: list[Tensor] = []
        with self.network.get_submodule(self.last_map).register_forward_hook(lambda *call: maps.append(call[2])):
            pooled: Tensor = self.network(images)
        return Features(pooled.flatten(1), maps[-1].permute(0, 2, 3, 1))


def _without_classifier(network: nn.Module) -> nn.Module:
    linears = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if linears:
        network.set_submodule(linears[-1], nn.Identity())
    return network


def _probe_network(network: nn.Module, image_size: int) -> tuple[str, int, int]:
    """Name of the child that gives the last map, pooled width, and pixels per cell of that map."""
    shadow = copy.deepcopy(network).to("meta").eval()
    channels = next(module.in_channels for module in shadow.modules() if isinstance(module, nn.Conv2d))
    maps: list[tuple[str, torch.Size]] = []

    def remember(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[-1] > 1:
            maps.append((name, output.shape))

    for name, child in shadow.named_children():
        child.register_forward_hook(lambda _module, _inputs, output, name=name: remember(name, output))
    with torch.no_grad():
        pooled = shadow(torch.zeros(1, channels, image_size, image_size, device="meta"))
    if not maps:
        kind = type(network).__name__
        raise InputError(f"{kind} gives no feature map at {image_size} px; load it through timm: or another image size")
    name, shape = maps[-1]
    return name, pooled.flatten(1).shape[1], image_size // shape[-1]
