"""One vector per image, for the tasks that rank images: retrieval and copy detection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.data.manifest import manifest_of
from dinobench.data.open import data_folder, dataset_root, open_images, open_training
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.ranking.pooling import find_pooling
from dinobench.evaluators.common.ranking.regions import RegionMoments, RegionWhitening
from dinobench.features.buckets import described
from dinobench.features.descriptors import stored_descriptors
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.preparation import Preparation, stretched
from dinobench.models.networks.multi_scale import multi_scale
from dinobench.runtime.errors import InputError


def thumbnail(size: int, boxes: NDArray[np.float64] | None = None) -> Preparation:
    """Reduce the longer side to at most `size`, aspect kept, as the released retrieval code does (Pillow, Lanczos).

    Args:
        size: in pixels.
        boxes: (N, 4) left, top, right, bottom to crop each image to first.
    """

    def reduce(index: int, image: Image.Image) -> Image.Image:
        reduced = image.copy() if boxes is None else image.crop(tuple(boxes[index]))
        reduced.thumbnail((size, size), Image.Resampling.LANCZOS)
        return reduced

    cropped = "" if boxes is None else f" of boxes {hashlib.sha256(boxes.tobytes()).hexdigest()[:16]}"
    return Preparation(f"thumbnail {size}{cropped}", reduce)


def square(size: int) -> Preparation:
    """Resize to size x size without keeping the aspect, bicubic, as the released copy-detection code does."""
    return replace(stretched(size, size), name=f"square {size}")


def longest(size: int) -> Preparation:
    """Resize the longer side to `size`, aspect kept, bilinear, as MultiGrain's evaluation does it."""

    def resize(index: int, image: Image.Image) -> Image.Image:
        width, height = image.size
        if height < width:
            return image.resize((size, int(size * height / width)), Image.Resampling.BILINEAR)
        return image.resize((int(size * width / height), size), Image.Resampling.BILINEAR)

    return Preparation(f"longest {size}", resize)


class Describer:
    """The context's backbone as a function from images to descriptors.

    Attributes:
        pooling: see `dinobench.evaluators.common.ranking.pooling`.
        gem_power: exponent of generalized-mean pooling.
        scales: of the input; the mean over them is normalized. Without any, the descriptor is that of the input as it
            is, not normalized.
        regions: whitens the regions of "rmac", where there is one.
    """

    def __init__(
        self,
        context: EvaluationContext[Any],
        pooling: str,
        gem_power: float,
        scales: Sequence[float] = (),
        regions: RegionWhitening | None = None,
    ) -> None:
        self.context = context
        self.pooling, self.gem_power, self.scales, self.regions = pooling, gem_power, tuple(scales), regions
        self._backbone = context.model.backbone
        self._pool = find_pooling(pooling, gem_power) if regions is None else regions
        self._network = context.network()
        self._forward = self._network.passes(self._all_scales)

    def __call__(self, pixels: Tensor) -> Tensor:
        """(b, D) of images (b, H, W, 3) uint8."""
        return self._forward(self._network.input(pixels))

    def describe(self, images: ImageSet, preparation: Preparation, *, tested: bool = False) -> FeatureMatrix:
        """(N, D) of every image after its preparation, kept in the feature store; a rescoring's own if `tested`.

        Raises:
            InputError: an image that cannot be read, or is smaller than a patch at some scale; named.
        """

        def describe(indices: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
            return self._described(self, images, preparation, indices)

        model = self.context.model
        about = {"name": model.name, "architecture": model.architecture, "weights": model.sha256, "data": images.name}
        identity, folder = self._entry_identity(images, preparation), self.context.fresh_features if tested else None
        return stored_descriptors(identity, about, images.names, describe, folder=folder)

    def region_whitening(self, images: ImageSet, preparation: Preparation) -> RegionWhitening:
        """The whitening of the regions of all images, each at its first scale."""
        moments = RegionMoments()

        def gather(pixels: Tensor) -> Tensor:
            normalized = self._network.input(pixels)
            return moments.add(
                self._network.apply(lambda batch: self._backbone.intermediate_layers(batch)[-1], normalized)
            )

        for _ in self._described(gather, images, preparation, np.arange(len(images))):
            pass
        return moments.whitening()

    def _described(
        self,
        describe: Callable[[Tensor], Tensor],
        images: ImageSet,
        preparation: Preparation,
        indices: NDArray[np.int64],
    ) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        def load(index: int) -> Image.Image:
            image = preparation.apply(index, images.read(index))
            self._refuse_small(image, images.names[index])
            return image

        batch_size, workers = self.context.batch_size, self.context.workers
        label = f"features of {images.name}"
        return described(describe, load, indices, batch_size=batch_size, workers=workers, label=label)

    def _entry_identity(self, images: ImageSet, preparation: Preparation) -> dict[str, Any]:
        model = self.context.model
        return {
            "model": model.identity,
            "preparation": preparation.name,
            "precision": self.context.precision,
            "manifest": manifest_of(images).sha256,
            "descriptor": {"pooling": self.pooling, "gem_power": self.gem_power, "scales": list(self.scales)}
            | ({} if self.regions is None else {"regions": self.regions.digest}),
        }

    def _all_scales(self, images: Tensor) -> Tensor:
        return multi_scale(self._one_scale, images, scales=self.scales) if self.scales else self._one_scale(images)

    def _one_scale(self, images: Tensor) -> Tensor:
        if self.pooling == "cls":  # spares the last block what only its patches need
            return self._backbone.class_token(images)
        return self._pool(self._backbone.intermediate_layers(images)[-1])

    def _refuse_small(self, image: Image.Image, name: str) -> None:
        smallest = int(min(image.size) * min(self.scales, default=1.0))
        if smallest < self._backbone.patch_size:
            raise InputError(
                f"image {name} is {image.width} x {image.height} as the network sees it, {smallest} pixels at the "
                f"smallest scale, less than a patch of {self._backbone.patch_size}; set a larger size or remove it"
            )


def further_images(context: EvaluationContext[Any], folder: str, role: str) -> ImageSet:
    """Images from any folder, searched at any depth, noted in the record as `role`.

    The name of a data set means the folder of that name beside the data, where there is one.
    """
    beside = None if Path(folder).name != folder else data_folder(dataset_root(context.data).parent, folder)
    images = open_images(beside) if beside else open_training(folder)
    context.manifests[role] = manifest_of(images)
    return images
