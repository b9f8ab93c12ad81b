"""DINOv3's vision transformers in timm's names, which keep neither periods nor a key bias."""

from __future__ import annotations

from dinobench.models.families import dinov3
from dinobench.models.family import Family
from dinobench.models.layouts import vit

FAMILY = Family(
    name="dinov3_timm",
    title="DINOv3 (timm)",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)reg_token$", r"blocks\.0\.gamma_1$"),
    order=15,
    facts=dinov3.FAMILY.facts,
)
