"""Settings of object discovery; the defaults are LOST's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.runtime.settings import Count, PixelsOrZero, Positive, setting

Cosine = Annotated[float, Meta(ge=-1, le=1)]
Overlap = Annotated[float, Meta(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the box of an image is found and scored."""

    method: Literal["lost", "tokencut", "spectral"] = setting(
        "lost", "lost: grown from a seed; tokencut: a normalized cut; spectral: a cut of weighted edges (DSS)"
    )
    whole_patches: bool = setting(
        False,
        "cut off what no whole patch covers, at the right and below, in place of padding it with zeros",
        later=True,
    )
    feature: Literal["keys", "patches"] = setting("keys", "of the last block: keys of its attention, or patch tokens")
    image_size: PixelsOrZero = setting(0, "shorter side of the images, bicubic; 0 for their own", unit="pixels")
    k: Count = setting(100, "of LOST: patches that may join the seed")
    threshold: Cosine = setting(0.2, "of TokenCut: cosine above which two patches are joined")
    weak: Positive = setting(1e-5, "of TokenCut: weight of all other edges")
    overlap: Overlap = setting(0.5, "intersection over union with an object's box from which a box counts as found")
    split: str = setting("trainval", "split of the data that is scored")
