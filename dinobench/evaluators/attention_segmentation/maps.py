"""Where the class token looks: attention over patches in the last block, per head, for one image of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.transforms import resampling, resize_shorter_side
from dinobench.features.network import FrozenNetwork
from dinobench.metrics.attention_mask import attention_masks, enlarge_masks
from dinobench.metrics.boundary import BoolArray
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.runtime.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOT_COMPILED = "compile=true changes nothing here: every image has a shape of its own"

Size = int | tuple[int, int]
"""In pixels: of the shorter side, or width and height; 0 for the image's own."""


@dataclass(frozen=True)
class AttentionMaps:
    """What the class token looks at.

    Attributes:
        pixels: (H, W, 3) uint8, the image as the network saw it: resized and cut to whole patches.
        weights: (heads, h, w) attention to each patch, float32.
    """

    pixels: NDArray[np.uint8]
    weights: NDArray[np.float32]

    def masks(self, share: float) -> BoolArray:
        """(heads, h, w): the patches with the highest weights that hold `share` of the mass."""
        return attention_masks(self.weights.reshape(len(self.weights), -1), share).reshape(self.weights.shape)

    def figure(self, share: float = 0.6, *, percentile: float = 99.0, smooth: bool = False) -> Figure:
        """Every head's map and mask, and their mean over the image, as a figure of matplotlib.

        Args:
            share: of the mass that masks keep.
            percentile: of a head's weights, where its color scale ends.
            smooth: whether patches fade into one another.
        """
        from dinobench.evaluators.attention_segmentation.pictures import MapStyle, attention_figure

        check_share(share, "share")
        masks = enlarge_masks(self.masks(share), self.pixels.shape[0] // self.weights.shape[1])
        style = MapStyle(percentile=percentile, smooth=smooth)
        return attention_figure(self.pixels, self.weights, masks, style)


def check_share(share: float, setting: str) -> None:
    """Refuse what is not a share of the mass; `setting` names where it came from."""
    if not 0 < share < 1:
        raise InputError(f"{setting} {share} is not a share of the mass; give one between 0 and 1, such as 0.6")


def whole_patches(
    image: Image.Image, size: Size, patch: int, name: str = "image", interpolation: str = "bicubic"
) -> Image.Image:
    """Resized by Pillow, then cut at the right and below to whole patches.

    Args:
        image: RGB.
        size: of the shorter side, aspect kept; (width, height) whatever the aspect; 0 for the image as it is.
        patch: side of a patch in pixels.
        name: of the image, for messages.
        interpolation: "bicubic" or another of Pillow's filters.

    Raises:
        InputError: less than one patch is left; names the image.
    """
    if size and min(_sides_of(size)) < patch:
        shown = "x".join(map(str, _sides_of(size)))
        raise InputError(f"size {shown} makes {name} smaller than one patch of {patch} pixels; give {patch} or more")
    resized = _resize_image(image, size, interpolation) if size else image
    width, height = (side // patch * patch for side in resized.size)
    if min(width, height) == 0:
        raise InputError(
            f"{name} is {image.width} x {image.height}, smaller than one patch of {patch}; set a size or remove it"
        )
    return resized.crop((0, 0, width, height))


def _sides_of(size: Size) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size,)


def _resize_image(image: Image.Image, size: Size, interpolation: str) -> Image.Image:
    if isinstance(size, int):
        return resize_shorter_side(image, size, interpolation)
    return image.resize(size, resampling(interpolation))


@torch.inference_mode()
def attention_maps(
    model: LoadedBackbone,
    image: Image.Image,
    size: Size,
    device: torch.device,
    precision: str = "fp32",
    name: str = "image",
    interpolation: str = "bicubic",
) -> AttentionMaps:
    """Attention of the last block's class token over the patches of one image.

    Args:
        model: a vision transformer, already on `device`.
        image: RGB of any size.
        size: as in `whole_patches`.
        device: where the model is.
        precision: "fp32" or "bf16".
        name: of the image, for messages.
        interpolation: of the resize.

    Raises:
        InputError: the model has no class token's self-attention, or the image is smaller than a patch.
    """
    patch = model.backbone.patch_size
    pixels = np.asarray(whole_patches(image, size, patch, name, interpolation))
    network = FrozenNetwork(model.backbone, model.preprocessing, device, precision)
    frame = network.input(torch.from_numpy(pixels.copy())[None])
    row = network.apply(model.backbone.class_attention, frame)[0].float().cpu().numpy()
    if not np.isfinite(row).all():
        raise InputError(f"the model's attention over {name} is not finite; check its weights")
    height, width = pixels.shape[0] // patch, pixels.shape[1] // patch
    return AttentionMaps(pixels, row[:, -height * width :].reshape(-1, height, width))
