"""Maps of patches of a split's images in the feature store, whatever the sizes that the images are shown at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from torch import Tensor

from dinobench.data.dataset import ImageSet
from dinobench.evaluators.base import EvaluationContext
from dinobench.evaluators.common.labeled_features import whole_matrix
from dinobench.features.maps import MapSettings
from dinobench.features.matrix import FeatureMatrix
from dinobench.features.preparation import Preparation, in_whole_patches

Size = tuple[int, int]
"""Height and width in pixels."""


class StoredMaps:
    """Maps on disk, read one at a time.

    Args:
        places: by the image's number, the matrix that holds its map, and the row.
    """

    def __init__(self, places: Mapping[int, tuple[FeatureMatrix, int]]) -> None:
        self.places = places

    def __call__(self, number: int) -> Tensor:
        """(h, w, D) float32 of an image."""
        matrix, row = self.places[number]
        maps: Tensor = matrix.between(row, row + 1)[0].float()
        return maps


def stored_maps(
    context: EvaluationContext[Any],
    split: str,
    images: ImageSet,
    sizes: Sequence[Size],
    prepare: Callable[[int, int], Preparation],
    *,
    layer: int = 1,
    numbers: Literal["fp32", "fp16"] = "fp32",
    tested: bool = False,
) -> StoredMaps:
    """The maps of images, computed as far as they are not in the store; images of one size share an entry.

    Args:
        context: whose model.
        split: of the images, all or some of it.
        images: to be shown.
        sizes: (N,) at which the network sees each.
        prepare: how an image is shown at a height and width; it is padded to whole patches.
        layer: block whose patches are taken, counted from the end.
        numbers: of the store.
        tested: whether a rescoring computes them anew.

    Raises:
        InputError: an image that cannot be read, maps that are not finite, or a disk that is full.
    """
    feature, patch = f"patches.{layer}" if layer > 1 else "patches", context.model.backbone.patch_size
    places: dict[int, tuple[FeatureMatrix, int]] = {}
    of_size: dict[Size, list[int]] = {}
    for number, size in enumerate(sizes):
        of_size.setdefault(size, []).append(number)
    for size, chosen in of_size.items():
        part = images if len(chosen) == len(images) else images.subset(np.array(chosen))
        kept = MapSettings(numbers, in_whole_patches(prepare(*size), patch))
        matrix = whole_matrix(context, split, part, feature, tested=tested, kept=kept)
        places |= {number: (matrix, row) for row, number in enumerate(chosen)}
    return StoredMaps(places)
