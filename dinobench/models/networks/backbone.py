"""The Backbone contract: what every evaluator may ask of a model, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from torch import Tensor, nn

from dinobench.runtime.errors import InputError

WHOLE_BELOW = 96


@dataclass(frozen=True)
class Features:
    """What one block says of a batch, after the final norm.

    Attributes:
        cls: (B, D) class token; for a convnet the pooled output.
        patches: (B, h, w, D) patch tokens on their grid; for a convnet the last map.
        registers: (B, R, D) register tokens, or None where the model has none.
        prenorm: (B, D) class token before the final norm, or None where the network keeps none.
    """

    cls: Tensor
    patches: Tensor
    registers: Tensor | None = None
    prenorm: Tensor | None = None


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input that the weights were trained on.

    Attributes:
        mean, std: per channel, for RGB in [0, 1].
        size: side of the square input in pixels.
        resize: shorter side before the center crop, in pixels.
        interpolation: "bicubic" or "bilinear", both antialiased as Pillow does it.
    """

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    size: int = 224
    resize: int = 256
    interpolation: str = "bicubic"

    def at(self, size: int) -> Preprocessing:
        """The same for another input size: the border cut away keeps its share, and small images are taken whole."""
        if size == self.size:
            return self
        resize = round(size * self.resize / self.size) if size >= WHOLE_BELOW else size
        return replace(self, size=size, resize=resize)


class Backbone(nn.Module, ABC):
    """A vision network seen from outside.

    Attributes:
        dim: width D of a token (or of the pooled output).
        patch_size: side in pixels of one cell of `Features.patches`.
        depth: number of blocks that `intermediate_layers` can return.
    """

    dim: int
    patch_size: int
    depth: int

    @abstractmethod
    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """Features of the last `n` blocks, oldest first, each after the final norm.

        Args:
            images: (B, C, H, W), already normalized.
            n: how many blocks, at most `depth`.
        """

    @abstractmethod
    def attention(self, images: Tensor) -> Tensor:
        """Softmax weights of the last block's self-attention, (B, heads, tokens, tokens).

        Row 0 is the class token's. Raises InputError for a model without self-attention.
        """

    def forward(self, images: Tensor) -> Features:
        """Features of the last block; images (B, C, H, W), already normalized."""
        return self.intermediate_layers(images, 1)[-1]

    def class_token(self, images: Tensor) -> Tensor:
        """`forward(images).cls`, (B, D), without the work that nothing else needs."""
        return self(images).cls  # type: ignore[no-any-return]

    def class_attention(self, images: Tensor) -> Tensor:
        """Row of the class token in `attention`, (B, heads, tokens): entry 0 is the class token itself."""
        return self.attention(images)[:, :, 0]

    def key_map(self, images: Tensor) -> Tensor:
        """Keys of the last block's self-attention at the patches, (B, h, w, D), its heads side by side.

        Raises InputError for a model whose keys are not known.
        """
        raise InputError(f"the keys of {type(self).__name__} are not known; take patches, or a vision transformer")


def input_channels(backbone: nn.Module) -> int:
    """Image channels that a network takes: as it says itself, else those of its first convolution; 3 without either.

    A network that begins with another transform, such as timm's csatv2 with a cosine transform, says so in `in_chans`.
    """
    for module in backbone.modules():
        if isinstance(said := getattr(module, "in_chans", None), int):
            return said
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            return module.in_channels
    return 3
