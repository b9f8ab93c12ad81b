"""From a decoded image to what a network sees, where that is not the evaluation transform of classification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """

    name: str
    apply: Apply
    size: tuple[int, int] | None = None


def stretched(height: int, width: int, interpolation: str = "bicubic") -> Preparation:
    """Resize to height x width pixels without keeping the aspect; nothing is cut away."""
    way = resampling(interpolation)
    name = f"stretched {height} x {width} {interpolation}"
    return Preparation(name, lambda index, image: image.resize((width, height), way), (height, width))


def evaluation(transform: EvaluationTransform) -> Preparation:
    """The evaluation transform's square center crop."""
    name = f"evaluation {transform.size} of {transform.resize} {transform.interpolation}"
    return Preparation(name, lambda index, image: transform.crop(image), (transform.size, transform.size))
