"""The size at which an image is shown to the network."""

from __future__ import annotations

from dinobench.evaluators.segmentation.settings import FrameSettings


def shown_size(size: tuple[int, int], settings: FrameSettings) -> tuple[int, int]:
    """(width, height) at which the network sees an image of a (width, height)."""
    side = settings.image_size
    return (side, side) if settings.square else short_side_size(size, side)


def short_side_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) once the shorter side is `side`, the longer one rounded to the nearest, as DINOv3's kit does."""
    width, height = size
    if height > width:
        return side, int(side * height / width + 0.5)
    return int(side * width / height + 0.5), side
