"""Settings of attention masks on VOC12; the defaults are the paper's (Figure 4), assumed where it states nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.runtime.errors import InputError
from dinobench.runtime.settings import PixelsOrZero, setting

PartOfMass = Annotated[float, Meta(gt=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How attention maps become masks and how these are scored."""

    image_size: PixelsOrZero = setting(
        480, "shorter side of the images, bicubic; 0 for their own", unit="pixels", was="size"
    )
    shares: tuple[PartOfMass, ...] = setting(
        (0.6, 0.8), "shares of the attention's mass that a mask keeps; the first is the figure's"
    )
    void: Literal["background", "left_out"] = setting("background", "what void pixels of the truth count as")

    def __post_init__(self) -> None:
        """Refuse a run without a mask."""
        if not self.shares:
            raise InputError("shares is empty; give at least one share of the mass, such as --set shares=[0.6]")
