"""The baseline without a network: raw pixels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from dinobench.models.networks.backbone import Backbone, Features
from dinobench.runtime.errors import InputError


class PixelBackbone(Backbone):
    """Normalized pixels at `side` x `side`, flattened; its patches are the pixels themselves."""

    def __init__(self, side: int = 32, in_channels: int = 3) -> None:
        super().__init__()
        self.side = side
        self.dim, self.patch_size, self.depth = in_channels * side * side, 1, 1

    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """See `Backbone`; other sizes are resized to `side`, antialiased."""
        if n != 1:
            raise InputError(f"pixels have one level of features, not {n}; ask for the last")
        small = images
        if images.shape[-2:] != (self.side, self.side):
            small = F.interpolate(images, size=(self.side, self.side), mode="bicubic", antialias=True)
        return (Features(small.flatten(1), small.permute(0, 2, 3, 1)),)

    def attention(self, images: Tensor) -> Tensor:
        """See `Backbone`; refused."""
        raise InputError("pixels have no self-attention; use a vision transformer")
