"""From a decoded image to what a network sees, where that is not the evaluation transform of classification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from dinobench.data.transforms import EvaluationTransform, resampling

Apply = Callable[[int, Image.Image], Image.Image]


@dataclass(frozen=True)
class Preparation:
    """From an image's index and pixels to what the network will see.

    Attributes:
        name: says everything that the result depends on.
        apply: called in threads.
        size: height and width of every result in pixels; None where they vary.
        multiple: the normalized result is padded with zeros to a multiple of so many pixels, itself in the middle.
    """

    name: str
    apply: Apply
    size: tuple[int, int] | None = None
    multiple: int = 1


def stretched(height: int, width: int, interpolation: str = "bicubic") -> Preparation:
    """Resize to height x width pixels without keeping the aspect; nothing is cut away."""
    way = resampling(interpolation)
    name = f"stretched {height} x {width} {interpolation}"
    return Preparation(name, lambda index, image: image.resize((width, height), way), (height, width))


def evaluation(transform: EvaluationTransform) -> Preparation:
    """The evaluation transform's square center crop."""
    name = f"evaluation {transform.size} of {transform.resize} {transform.interpolation}"
    return Preparation(name, lambda index, image: transform.crop(image), (transform.size, transform.size))


def in_whole_patches(preparation: Preparation, patch: int) -> Preparation:
    """The same, padded to whole patches of `patch` pixels where it is not."""
    if preparation.size is None or not any(side % patch for side in preparation.size):
        return preparation
    return replace(preparation, name=f"{preparation.name}, padded to patches of {patch}", multiple=patch)


def padding_of(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """Pixels to add (left, right, top, bottom) to a multiple, the image in the middle, as DINOv2's kit does."""
    across, down = -width % multiple, -height % multiple
    return across // 2, across - across // 2, down // 2, down - down // 2
