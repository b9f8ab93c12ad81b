"""Any timm model through the Backbone contract."""

from __future__ import annotations

import contextlib
import inspect
import math
from typing import Any

import torch
from torch import Tensor, nn

from dinobench.models.networks.adapter import Adapter
from dinobench.models.networks.backbone import Features, Preprocessing
from dinobench.runtime.errors import InputError

# What a model may accept to take other input sizes than its native one, from the most to the least able.
SIZE_OPTIONS: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


def create_timm(
    name: str,
    *,
    pretrained: bool,
    image_size: int | None,
    in_channels: int = 3,
    drop_path: float = 0.0,
    **shape: object,
) -> nn.Module:
    """A timm model without classifier, taking any input size where it can; `shape` goes to timm as it is.

    Raises:
        InputError: timm refuses the options.
    """
    import timm  # here: it takes seconds, which most models need not wait for

    options: dict[str, object] = {"pretrained": pretrained, "in_chans": in_channels, "num_classes": 0, **shape}
    if drop_path:
        options["drop_path_rate"] = drop_path
    sized = {"img_size": image_size} if image_size else {}
    for extra in [*({**sized, **option} for option in SIZE_OPTIONS), {}]:
        try:
            network: nn.Module = timm.create_model(name, **options, **extra)
            return network
        except TypeError as error:
            refusal = error
    raise InputError(f"timm cannot build {name}: {refusal}")


class TimmTransformer(Adapter):
    """A timm model with prefix tokens: the class token, registers, and patches of the last n blocks."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.dim = int(network.num_features)  # type: ignore[arg-type]
        self.patch_size = int(network.feature_info[-1]["reduction"])  # type: ignore[index]
        self.depth = len(network.blocks)  # type: ignore[arg-type]
        self.has_class_token = getattr(network, "cls_token", None) is not None
        self._prefix = int(getattr(network, "num_prefix_tokens", 1))

    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """See `Backbone`."""
        if not 1 <= n <= self.depth:
            raise InputError(f"asked for the last {n} blocks of a model with {self.depth}; ask for 1 to {self.depth}")
        layers = self.network.forward_intermediates(  # type: ignore[operator]
            _whole_patches(images, self.patch_size),
            indices=n,
            norm=True,
            output_fmt="NCHW",
            return_prefix_tokens=self._prefix > 0,  # asked for none, some networks of timm fail
            intermediates_only=True,
        )
        return tuple(
            self._features_of(*layer) if isinstance(layer, tuple) else self._features_of(layer) for layer in layers
        )

    def attention(self, images: Tensor) -> Tensor:
        """See `Backbone`."""
        attn: Any = self.network.get_submodule(f"blocks.{self.depth - 1}.attn")
        if not self.has_class_token or not hasattr(attn, "attn_drop"):
            return super().attention(images)
        caught: list[Tensor] = []
        fused, attn.fused_attn = attn.fused_attn, False
        try:
            with attn.attn_drop.register_forward_hook(lambda *call: caught.append(call[2])):
                self.network.forward_features(_whole_patches(images, self.patch_size))  # type: ignore[operator]
        finally:
            attn.fused_attn = fused
        return caught[-1]

    def _reads_class_token(self) -> bool:
        """Whether the classifier reads the class token as the final norm left it, or there is no pooling at all."""
        after = getattr(self.network, "fc_norm", None)
        pools = getattr(self.network, "global_pool", "token") not in ("token", "")
        return self.has_class_token and not pools and (after is None or isinstance(after, nn.Identity))

    def _features_of(self, patches: Tensor, prefix: Tensor | None = None) -> Features:
        """What the classifier of this model reads, and its tokens."""
        grid = patches.permute(0, 2, 3, 1)
        registers = prefix[:, int(self.has_class_token) :] if prefix is not None else None
        if registers is not None and registers.shape[1] == 0:
            registers = None
        if prefix is not None and self._reads_class_token():
            return Features(prefix[:, 0], grid, registers)
        tokens = grid.flatten(1, 2) if prefix is None else torch.cat([prefix, grid.flatten(1, 2)], dim=1)
        pooled = self.network.forward_head(tokens, pre_logits=True)  # type: ignore[operator]
        return Features(pooled, grid, registers)


class TimmConvNet(Adapter):
    """Any other timm model: the input of its classifier, and its last map.

    Args:
        network: of timm.
        map_norm: name of the norm inside it that the last map passes, "" for none.
    """

    def __init__(self, network: nn.Module, map_norm: str = "") -> None:
        super().__init__(network)
        self.map_norm = map_norm
        self.dim = int(getattr(network, "head_hidden_size", None) or network.num_features)  # type: ignore[arg-type]
        self.patch_size = int(network.feature_info[-1]["reduction"])  # type: ignore[index]
        self.depth = 1

    def last_features(self, images: Tensor) -> Features:
        """See `Adapter`."""
        last: Any = self.network.forward_features(images)  # type: ignore[operator]
        pooled: Tensor = self.network.forward_head(last, pre_logits=True).flatten(1)  # type: ignore[operator]
        if not isinstance(last, Tensor):  # several maps or rows of tokens, none of them the last
            return Features(pooled, pooled[:, None, None])
        if self.map_norm:
            last = self.network.get_submodule(self.map_norm)(last)
        return Features(pooled, self._last_grid(last, images))

    def _last_grid(self, last: Tensor, images: Tensor) -> Tensor:
        """The last map as (B, h, w, D), from channels first, channels last or a row of tokens."""
        if last.ndim == 3:
            height, width = (length // self.patch_size for length in images.shape[2:])
            alone = int(last.shape[1] == height * width + 1)  # a class token that the network does not state
            last = last[:, getattr(self.network, "num_prefix_tokens", alone) :]
            count = last.shape[1]
            if height * width != count:  # of strides that round up
                height = math.isqrt(count)
            return last.reshape(len(last), height, count // height, -1)
        channels_last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
        return last if channels_last else last.permute(0, 2, 3, 1)


class TimmSwin(TimmConvNet):
    """A Swin transformer: the pooled tokens of each of the last n blocks, after the final norm in the last stage alone.

    Earlier blocks are narrower and have more patches (iBOT's and EsViT's linear evaluation).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.blocks = [f"layers.{stage}.blocks.{block}" for stage, block in _stages_and_blocks(network)]
        self.depth = len(self.blocks)

    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """See `Backbone`."""
        if not 1 <= n <= self.depth:
            raise InputError(f"asked for the last {n} blocks of a model with {self.depth}; ask for 1 to {self.depth}")
        if n == 1:
            return (self.last_features(images),)
        maps: list[Tensor] = []
        with contextlib.ExitStack() as hooks:
            for name in self.blocks[-n:]:
                block = self.network.get_submodule(name)
                hooks.enter_context(block.register_forward_hook(lambda *call: maps.append(call[2])))
            self.network.forward_features(images)  # type: ignore[operator]
        last_stage = self.blocks[-1].rpartition(".blocks.")[0]
        norm = self.network.get_submodule("norm")
        named = zip(self.blocks[-n:], maps, strict=True)
        tokens = [norm(grid) if name.startswith(last_stage) else grid for name, grid in named]
        return tuple(Features(grid.mean(dim=(1, 2)), grid) for grid in tokens)


def _stages_and_blocks(network: Any) -> list[tuple[int, int]]:
    return [(stage, block) for stage, layer in enumerate(network.layers) for block in range(len(layer.blocks))]


def adapt_timm(network: nn.Module) -> Adapter:
    """The adapter that fits a timm model.

    Raises:
        InputError: it is the image encoder of a larger model, with no classifier and nothing that one would read.
    """
    if not hasattr(network, "get_classifier"):
        raise InputError(
            f"timm's {type(network).__name__} is the image encoder of a larger model: it pools no feature that could "
            f"be scored; give a network with a classifier"
        )
    if type(network).__name__ == "SwinTransformer":
        return TimmSwin(network)
    intermediates = getattr(network, "forward_intermediates", None)
    if intermediates is not None and "return_prefix_tokens" in inspect.signature(intermediates).parameters:
        plain = hasattr(network, "norm") and not hasattr(network, "cls_attn_blocks")
        if plain and hasattr(network, "blocks"):
            return TimmTransformer(network)
    return TimmConvNet(network)


def timm_preprocessing(network: nn.Module) -> Preprocessing:
    """What the model's own configuration says of its input."""
    import timm

    config = timm.data.resolve_model_data_config(network)
    size = int(config["input_size"][-1])
    return Preprocessing(
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        size=size,
        resize=math.floor(size / config["crop_pct"]),
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
    )


def classifier_parts(named: object) -> tuple[str, ...]:
    """Beginnings of the names of a classifier's tensors, from what timm's configuration calls it.

    Args:
        named: one name, several (of a distilled network), or none.
    """
    names = (named,) if isinstance(named, str) else tuple(named) if isinstance(named, (list, tuple)) else ()
    return tuple(f"{name}." for name in names)


def _whole_patches(images: Tensor, patch: int) -> Tensor:
    """Pixels beyond the last whole patch are dropped, as a strided convolution drops them."""
    height, width = (length // patch * patch for length in images.shape[-2:])
    return images[..., :height, :width]
