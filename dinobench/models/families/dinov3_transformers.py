"""DINOv3's vision transformers in the names of `transformers`."""

from __future__ import annotations

from dinobench.models.families import dinov3
from dinobench.models.family import Family
from dinobench.models.layouts import transformers_vit

FAMILY = Family(
    name="dinov3_transformers",
    title="DINOv3 (transformers)",
    layouts=(transformers_vit.ROTARY_LAYOUT,),
    order=10,
    facts=dinov3.FAMILY.facts,
)
