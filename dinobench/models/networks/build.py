"""Architectures by name, with fresh random weights."""

from __future__ import annotations

from dataclasses import replace

from dinobench.models.networks.backbone import Backbone
from dinobench.models.networks.convnet import ConvNet
from dinobench.models.networks.network_names import VIT_NAME, VIT_SIZES, canonical_architecture, native_size, suggestion
from dinobench.models.networks.resnet import ResNet, named_shape
from dinobench.models.networks.selective_kernels import selective_network
from dinobench.models.networks.timm_adapter import adapt_timm, create_timm
from dinobench.models.networks.trackers import tracker_network
from dinobench.models.networks.vit import VisionTransformer, ViTShape
from dinobench.runtime.errors import InputError


def vit_shape(architecture: str, *, image_size: int, in_channels: int = 3) -> ViTShape | None:
    """The shape behind "vit_SIZE/PATCH" or "vit_SIZE_regN/PATCH" with N registers, or None for other names."""
    match = VIT_NAME.fullmatch(canonical_architecture(architecture))
    if match is None:
        return None
    size, patch, registers = VIT_SIZES[match["size"]], int(match["patch"]), int(match["registers"] or 0)
    shape = ViTShape(patch, size.dim, size.depth, size.heads, image_size=image_size, in_channels=in_channels)
    return replace(shape, registers=registers)


def build_backbone(
    architecture: str, *, image_size: int | None = None, drop_path: float = 0.0, in_channels: int = 3
) -> Backbone:
    """A backbone with fresh random weights, drawn from torch's global generator.

    Args:
        architecture: "vit_SIZE/PATCH" (or an alias) for our ViT, "resnet50w2" for a ResNet of double width, else a
            torchvision or timm name; "timm:NAME" and "torchvision:NAME" say whose.
        image_size: native square input in pixels; by default `native_size`.
        drop_path: stochastic depth of the last block, linear over depth (ViTs and the timm models that know it).
        in_channels: image channels.

    Raises:
        InputError: nobody knows the name, or that library's network cannot be changed so.
    """
    library, _, name = architecture.lower().rpartition(":")
    size = image_size or native_size(architecture)
    shape = None if library else vit_shape(architecture, image_size=size, in_channels=in_channels)
    if shape is not None:
        return VisionTransformer(shape, drop_path=drop_path)
    ours = None if library or drop_path else _named_resnet(name, in_channels)
    if ours is not None:
        return ours
    import torchvision

    plain, known = in_channels == 3 and not drop_path, owners(architecture)
    if "torchvision" in known and plain:
        return ConvNet(torchvision.models.get_model(name, weights=None), image_size=size)
    if "timm" in known:
        network = create_timm(
            name, pretrained=False, image_size=image_size, in_channels=in_channels, drop_path=drop_path
        )
        return adapt_timm(network)
    if known:
        raise InputError(f"{architecture} takes no drop_path and 3 channels alone; set drop_path=0, or name timm's")
    raise InputError(f"unknown architecture {architecture!r}; {suggestion(name)}")


def _named_resnet(name: str, in_channels: int) -> Backbone | None:
    """A ResNet that only dinobench names, such as resnet50w2 and resnet152w3_sk."""
    shape = named_shape(name, in_channels)
    return ResNet(shape) if shape else selective_network(name, in_channels) or tracker_network(name, in_channels)


def owners(architecture: str) -> list[str]:
    """The libraries that know a network by "NAME", or the one that "timm:NAME" or "torchvision:NAME" says."""
    import timm
    import torchvision

    library, _, name = architecture.lower().rpartition(":")
    known = {
        "torchvision": name in torchvision.models.list_models(module=torchvision.models),
        "timm": bool(name) and timm.is_model(name),
    }
    return [each for each, has in known.items() if has and library in ("", each)]
