"""Maps of patches of a few photographs, and the pictures that show them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.evaluators.attention_segmentation.maps import Size, whole_patches
from dinobench.features.network import FrozenNetwork
from dinobench.models.loading.loaded import LoadedBackbone
from dinobench.runtime.errors import InputError

Pixels = NDArray[np.uint8]


def patch_maps(
    model: LoadedBackbone, images: Sequence[Image.Image], size: Size, device: torch.device, precision: str = "fp32"
) -> list[tuple[Pixels, Tensor]]:
    """Of each image its (H, W, 3) pixels, resized and cut to whole patches, and its (h, w, D) last patches.

    Raises:
        InputError: an image smaller than a patch, or features that are not finite.
    """
    network = FrozenNetwork(model.backbone, model.preprocessing, device, precision)
    found = []
    for image in images:
        pixels = np.asarray(whole_patches(image, size, model.backbone.patch_size))
        maps = network.apply(model.backbone, network.input(torch.from_numpy(pixels.copy())[None])).patches[0].float()
        if not torch.isfinite(maps).all():
            raise InputError("the model's patch features are not finite; check its weights")
        found.append((pixels, maps))
    return found


def enlarged(colors: Pixels, pixels: Pixels) -> Pixels:
    """Colors (h, w, 3) of patches at the size of their image, each patch one square."""
    size = (pixels.shape[1], pixels.shape[0])
    return np.asarray(Image.fromarray(colors).resize(size, Image.Resampling.NEAREST))
