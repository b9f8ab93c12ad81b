"""Supervised vision transformers (DeiT, AugReg through timm): the released names with a linear classifier."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import vit

FAMILY = Family(
    name="supervised_vit",
    title="a supervised vision transformer (DeiT, timm)",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)head\.weight$", r"blocks\.0\.attn\.qkv\."),
    order=60,
    facts={"resize": "timm"},
)
