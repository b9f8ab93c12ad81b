"""DINOv3's vision transformers in the names of `transformers`."""

from __future__ import annotations

from dinobench.models.families import dinov3
from dinobench.models.key_layouts import transformers_vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="dinov3_transformers",
    title="DINOv3 (transformers)",
    layouts=(transformers_vit.ROTARY_LAYOUT,),
    order=10,
    facts=dinov3.FAMILY.facts,
)
