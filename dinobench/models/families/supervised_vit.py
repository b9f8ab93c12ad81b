"""Supervised vision transformers (DeiT, AugReg through timm): the released names with a linear classifier."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="supervised_vit",
    title="a supervised vision transformer (DeiT, timm)",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)head\.weight$", r"blocks\.0\.attn\.qkv\."),
    order=60,
    facts={"resize": "timm"},
    form=FileForm("model", beside=("head.weight", "head.bias")),
)
