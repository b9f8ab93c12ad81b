"""Settings of copy detection; the defaults are the paper's protocol (section 4.2 and Table 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dinobench.evaluators.common.setting_groups import SearchSettings
from dinobench.runtime.settings import CountOrZero, PixelsOrZero, Positive, setting


@dataclass(frozen=True, kw_only=True)
class Settings(SearchSettings):
    """How images are described, whitened, ranked and scored."""

    image_size: PixelsOrZero = setting(
        0,
        "side of the input; 0: 320 for patches of 8 pixels, else the model's own",
        unit="pixels",
        was="size",
    )
    framing: Literal["stretch", "crop", "longest"] = setting(
        "stretch",
        "stretch: a square, aspect lost, bicubic; crop: its center; longest: longer side image_size; both bilinear",
        later=True,
    )
    feature: str = setting("cls+gem", "cls, gem, mean, max or rmac, or a sum of them", was="pooling")
    gem_power: Positive = setting(4.0, "exponent of gem")
    centered: bool = setting(
        False, "whiten by the covariance; false: by the second moment about zero, as released", was="centred"
    )
    top: CountOrZero = setting(20, "results that count; 0 for all")
    measure: Literal["trapezoid", "standard"] = setting(
        "trapezoid", "average precision: trapezoid scores one original at place r > 0 (from 0) as 1 / (2 (r + 1))"
    )
    distractors: str = setting(
        "", "folder of further database images; empty: the data's own distractors/", departs=False, later=True
    )
    whitening: str = setting(
        "", "folder to learn whitening from; empty: the data's own whitening/", departs=False, later=True
    )
    blocks: tuple[str, ...] = setting((), "blocks to score, such as strong or jpegqual/3; empty for all", later=True)
