"""Settings of matching by homographies; they are ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import Count, CountOrZero, Pixels, setting

Shift = Annotated[float, Meta(gt=0, lt=0.5)]
Distance = Annotated[float, Meta(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which views are drawn and what counts as found."""

    image_size: Pixels = setting(224, "side of the square that images are resized to", unit="pixels")
    shift: Shift = setting(0.2, "how far a corner may move inwards along each axis, as a share of the side")
    distances: tuple[Distance, ...] = setting(
        (0.05, 0.03, 0.01),
        "distances, as shares of the side, up to which a patch counts as found; the first is the figure's",
    )
    layer: Count = setting(1, "block whose patches are matched, counted from the end")
    samples: CountOrZero = setting(1000, "images, drawn where there are more; 0 for all", unit="images")

    def __post_init__(self) -> None:
        """Refuse a run without a distance."""
        if not self.distances:
            raise InputError("distances is empty; give at least one, such as --set distances=[0.05]")
