"""Settings of video object segmentation; the defaults are the paper's protocol (section 4.2.2 and Table 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from dinobench.runtime.settings import Count, CountOrZero, PixelsOrZero, Positive, setting

Patches = Annotated[
    str, Meta(pattern=r"^patches(\.[1-9]\d{0,8})?$", description="patches or patches.N (N-th last block)")
]


def layer_of(feature: str) -> int:
    """The block of "patches.N", counted from the last; 1 where N is left out."""
    return int(feature.partition(".")[2] or 1)


def _layer_numbers(value: str | tuple[str, ...]) -> int | list[int]:
    return layer_of(value) if isinstance(value, str) else [layer_of(each) for each in value]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the first mask of a video is carried to its other frames."""

    image_size: PixelsOrZero = setting(
        480,
        "shorter side of the frames, the longer a multiple of 64 below it (ct: both sides); 0 for frames as they are",
        unit="pixels",
        was="short_side",
    )
    variant: Literal["dino", "stc", "ct", "mast", "dinov3", "masks"] = setting(
        "dino",
        "whose code carries labels on (docs/dense.md); masks: none, they are given",
        later=True,
    )
    normalization: Literal["released", "model"] = setting(
        "released",
        "released divides red by 0.228 where ImageNet's is 0.229; model takes the model's own",
        was="normalisation",
    )
    feature: Patches = setting(
        "patches", "patch tokens of the last block; patches.2: before it", was="layer", then=_layer_numbers
    )
    n_last_frames: CountOrZero = setting(
        7, "earlier frames to copy from, besides the first; mast: every second", unit="frames"
    )
    radius: CountOrZero = setting(12, "half side of the search window; 0 for no window", unit="tokens")
    topk: Count = setting(
        5, "nearest tokens over all earlier frames; ties with the last stay; ct: of each frame; mast: not used"
    )
    temperature: Positive = setting(0.1, "of exp(cosine / temperature)")
    sweep_topk: tuple[Count, ...] = setting(
        (), "further topk to try; every combination of the sweeps is scored, see sweep.csv", moves_figure=False
    )
    sweep_radius: tuple[CountOrZero, ...] = setting((), "further radius to try", moves_figure=False)
    sweep_n_last_frames: tuple[CountOrZero, ...] = setting((), "further n_last_frames to try", moves_figure=False)
    sweep_temperature: tuple[Positive, ...] = setting((), "further temperature to try", moves_figure=False)
    sweep_feature: tuple[Patches, ...] = setting((), "further feature to try", moves_figure=False, was="sweep_layer")
    pictures: bool = setting(True, "write overlays, contact sheets and moving strips", moves_figure=False)
