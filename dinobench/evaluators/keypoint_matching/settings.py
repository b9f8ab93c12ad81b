"""Settings of keypoint matching; the defaults are those of probe3d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from dinobench.runtime.settings import Count, CountOrZero, Positive, setting

Side = Annotated[int, Meta(ge=2, le=512)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which pairs are matched, at which size, and what counts as found."""

    grid: Side = setting(50, "patches along a side of the square that images are made to", unit="patches")
    distance: Positive = setting(
        0.1, "up to which a point is found, as a share of the object's longer side in the target"
    )
    corner: bool = setting(True, "a patch stands for its upper left corner, as in probe3d, not for its middle")
    whole_pixels: bool = setting(True, "points of the resized images are cut to whole pixels, as in probe3d")
    layer: Count = setting(1, "block whose patches are matched, counted from the end")
    pairs: CountOrZero = setting(200, "pairs of each category, drawn where there are more; 0 for all", unit="pairs")
    split: str = setting("test", "split of the data whose pairs are matched")
