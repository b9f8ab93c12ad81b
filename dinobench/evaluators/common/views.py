"""Random views of images, each decided by seed, image and number alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image

from dinobench.data.crops import crop_box
from dinobench.data.transforms import resampling
from dinobench.evaluators.common.setting_groups import ViewSettings
from dinobench.features.preparation import Preparation

_RATIO = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class Views:
    """One view of each image.

    Attributes:
        settings: how it is cut.
        size: side in pixels.
        interpolation: of the resize.
        seed: of the draws.
        number: of the view.
    """

    settings: ViewSettings
    size: int
    interpolation: str
    seed: int
    number: int

    @property
    def preparation(self) -> Preparation:
        """The view as an input of `feature_batches`."""
        return Preparation(
            f"view {self.number} by seed {self.seed}", lambda index, image: self(image, index), (self.size, self.size)
        )

    def __call__(self, image: Image.Image, index: int) -> Image.Image:
        """A random part of the image (index tells which), resized to a square and perhaps mirrored."""
        rng = random.Random(f"{self.seed} {index} {self.number}")
        low, high = self.settings.crop_scale
        box = crop_box(image.size, (low, high), _RATIO, rng)
        view = image.resize((self.size, self.size), resampling(self.interpolation), box=box)
        mirrored = rng.random() < self.settings.flip
        return view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else view
