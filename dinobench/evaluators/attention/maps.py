"""Where the class token looks: attention over patches in the last block, per head, for one image of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dinobench.data.transforms import resize_shorter_side
from dinobench.metrics.attention_mask import attention_masks
from dinobench.metrics.boundary import BoolArray
from dinobench.models.loaded import LoadedBackbone
from dinobench.runtime.errors import InputError
from dinobench.runtime.precision import autocast

NOT_COMPILED = "compile=true changes nothing here: every image has a shape of its own"


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


def whole_patches(image: Image.Image, size: int, patch: int) -> Image.Image:
    """Shorter side resized to `size` (0: left as it is), then cut at the right and below to whole patches."""
    resized = resize_shorter_side(image, size) if size else image
    width, height = (side // patch * patch for side in resized.size)
    if min(width, height) == 0:
        raise InputError(f"an image of {image.width} x {image.height} is smaller than one patch of {patch} pixels")
    return resized.crop((0, 0, width, height))


@torch.inference_mode()
def attention_maps(
    model: LoadedBackbone, image: Image.Image, size: int, device: torch.device, precision: str = "fp32"
) -> AttentionMaps:
    """Attention of the last block's class token over the patches of one image.

    Args:
        model: a vision transformer, already on `device`.
        image: RGB of any size.
        size: of the shorter side in pixels, 0 for the image's own.
        device: where the model is.
        precision: "fp32" or "bf16".

    Raises:
        InputError: the model has no class token's self-attention, or the image is smaller than a patch.
    """
    patch = model.backbone.patch_size
    pixels = np.asarray(whole_patches(image, size, patch))
    mean, std = (torch.tensor(values) for values in (model.preprocessing.mean, model.preprocessing.std))
    frame = ((torch.from_numpy(pixels.copy()).float() / 255 - mean) / std).permute(2, 0, 1)[None].to(device)
    with autocast(device, precision):
        row = model.backbone.class_attention(frame)[0].float().cpu().numpy()
    height, width = pixels.shape[0] // patch, pixels.shape[1] // patch
    return AttentionMaps(pixels, row[:, -height * width :].reshape(-1, height, width))
