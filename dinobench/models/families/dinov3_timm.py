"""DINOv3's vision transformers in timm's names, which keep neither periods nor a key bias."""

from __future__ import annotations

from dinobench.models.families import dinov3
from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="dinov3_timm",
    title="DINOv3 (timm)",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)reg_token$", r"blocks\.0\.gamma_1$"),
    order=15,
    facts=dinov3.FAMILY.facts,
)
