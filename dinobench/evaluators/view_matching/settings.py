"""Settings of matching between views; the defaults are those of probe3d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from dinobench.runtime.settings import Count, CountOrZero, Pixels, setting

Degrees = Annotated[float, Meta(gt=0, le=180)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which pairs of views are matched, at which size, and how many of their points."""

    image_size: Pixels = setting(512, "side of the square around the object that the network is shown", unit="pixels")
    grid: CountOrZero = setting(0, "patches along that side, in place of image_size; 0 for image_size", unit="patches")
    reduced: Pixels = setting(
        1024, "shorter side to which photos are reduced first, by bilinear, as probe3d stores them", unit="pixels"
    )
    step: Count = setting(4, "every so many pixels, across and down, a point is matched", unit="pixels")
    matches: Count = setting(1000, "matches of a pair that count, those that stand out most from the next best")
    every: Count = setting(4, "of the photos, one in so many asks for its points in another", unit="photos")
    largest_angle: Degrees = setting(120.0, "by which the views of a pair may differ", unit="degrees")
    layer: Count = setting(1, "block whose patches are matched, counted from the end")
    split: str = setting("test", "split of the data whose views are matched")
