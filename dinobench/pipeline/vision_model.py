"""A model as a Python program sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.decode import read_rgb, to_rgb
from dinobench.data.open import open_images
from dinobench.data.transforms import EvaluationTransform, evaluation_transform
from dinobench.features.extract import Extractor
from dinobench.features.held import Held, columns_of, held_features
from dinobench.models.networks.backbone import Backbone, Features, Preprocessing
from dinobench.runtime.device import pick_device, prepare_device

if TYPE_CHECKING:
    from dinobench.evaluators.attention_segmentation.maps import AttentionMaps, Size
    from dinobench.models.loading.loaded import LoadedBackbone
    from dinobench.pipeline.model import ResolvedModel

FloatRows = NDArray[np.float32]


@dataclass(frozen=True, repr=False, eq=False)
class VisionModel:
    """A loaded model: called with a batch, it gives the features of the last block.

    Attributes:
        resolved: the network, the published model that it is, and what is known of both.
    """

    resolved: ResolvedModel

    @property
    def loaded(self) -> LoadedBackbone:
        """Everything that is known of the network: source, family, report of the tensors, digests."""
        return self.resolved.backbone

    @property
    def backbone(self) -> Backbone:
        """The network itself, an `nn.Module`; `dim`, `patch_size` and `depth` are its attributes."""
        return self.loaded.backbone

    @property
    def name(self) -> str:
        """In tables and records."""
        return self.loaded.name

    @property
    def architecture(self) -> str:
        """Such as vit_small/16."""
        return self.loaded.architecture

    @property
    def preprocessing(self) -> Preprocessing:
        """Sizes, interpolation, mean and deviation of `transform`."""
        return self.loaded.preprocessing

    @property
    def transform(self) -> Callable[[Image.Image], Tensor]:
        """From a Pillow image of any mode to the network's input (C, size, size), float32; picklable."""
        return RgbTransform(self._transform)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Features:
        """Features of the last block: `cls` (B, D), `patches` (B, h, w, D), and `registers` (B, R, D) or None.

        Args:
            images: (B, C, H, W) as `transform` makes them, of any height and width that the network takes.
        """
        place = next(self.backbone.parameters(), torch.empty(0))
        features: Features = self.backbone(images.to(place))
        return features

    def to(self, device: str) -> VisionModel:
        """The same model, its network moved to "cpu", "cuda", "cuda:1" or "mps"."""
        self.backbone.to(pick_device(device))
        return self

    @overload
    def features(
        self,
        images: Held | str | Path,
        features: str = ...,
        *,
        device: str = ...,
        batch_size: int = ...,
        precision: str = ...,
    ) -> FloatRows: ...

    @overload
    def features(
        self,
        images: Held | str | Path,
        features: list[str] | tuple[str, ...],
        *,
        device: str = ...,
        batch_size: int = ...,
        precision: str = ...,
    ) -> dict[str, FloatRows]: ...

    def features(
        self,
        images: Held | str | Path,
        features: str | list[str] | tuple[str, ...] = "cls",
        *,
        device: str = "auto",
        batch_size: int = 64,
        precision: str = "fp32",
    ) -> FloatRows | dict[str, FloatRows]:
        """Features of every image, in order, in memory.

        Args:
            images: a folder, of which every image below it is taken, sorted by path; an image's path; Pillow images or
                paths; an ImageSet of `dinobench.open_dataset`; or batches that are normalized already: a tensor
                (B, C, H, W), or a DataLoader of such tensors or of tuples that begin with one.
            features: "cls" (class token, or a convnet's pooled output), "mean" (mean of the patch tokens), "cls.2" (of
                the block before the last), or several joined by "+"; maps of h x w vectors: "patches", "patches.2",
                "keys" (of the last attention); or a list of such names.
            device: "cpu", "cuda", "mps", or "auto" for the fastest there is.
            batch_size: images per forward pass; a DataLoader has its own.
            precision: "fp32" or "bf16".

        Returns:
            (N, D) float32 for one name, (N, h, w, D) for maps; a dict of such arrays by name for a list of names. Rows
            are as the network gives them, not normalized.

        Raises:
            InputError: an unknown feature, no image, or one that cannot be read.
        """
        names = [features] if isinstance(features, str) else list(features)
        where = pick_device(device)
        prepare_device(where)
        network = Extractor(self.backbone, self.preprocessing, columns_of(names), where, precision)
        found = held_features(network, _opened(images), names, batch_size)
        return found[features] if isinstance(features, str) else found

    def attention(self, image: Image.Image | str | Path, size: Size = 480) -> AttentionMaps:
        """Where the class token looks in one image, per head.

        Args:
            image: Pillow image, or the path of one.
            size: shorter side in pixels; (width, height); or 0 for the image's own.

        Returns:
            `weights` (heads, h, w) over the patches, and `pixels` (H, W, 3), the image as the network saw it.

        Raises:
            InputError: a network without a class token's self-attention.
        """
        from dinobench.evaluators.attention_segmentation.maps import attention_maps

        picture = to_rgb(image) if isinstance(image, Image.Image) else read_rgb(Path(image))
        place: Any = next(self.backbone.parameters(), torch.empty(0)).device
        return attention_maps(self.loaded, picture, size, place)

    def __repr__(self) -> str:
        size, parameters = self.preprocessing.size, self.loaded.parameters / 1e6
        return (
            f"VisionModel({self.name}: {self.architecture}, {self.backbone.dim} features, "
            f"{parameters:.1f}M parameters, {size} px)"
        )

    @property
    def _transform(self) -> EvaluationTransform:
        how = self.preprocessing
        return evaluation_transform(how.size, how.resize, how.interpolation, how.mean, how.std)


@dataclass(frozen=True)
class RgbTransform:
    """An evaluation transform for Pillow images of any mode."""

    inner: EvaluationTransform

    def __call__(self, image: Image.Image) -> Tensor:
        """(3, size, size) float32."""
        return self.inner(to_rgb(image))


def _opened(images: Held | str | Path) -> Held:
    """What a path names: every image of a folder, or one image file."""
    if not isinstance(images, str | Path):
        return images
    return open_images(images)
