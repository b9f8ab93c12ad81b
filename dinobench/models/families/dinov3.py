"""DINOv3's vision transformers: rotary positions, storage tokens, a silenced key bias, LayerNorm epsilon 1e-5."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="dinov3",
    title="DINOv3",
    layouts=(vit.LAYOUT,),
    signs=(r"(^|\.)storage_tokens$",),
    order=10,
    facts={"positions": "rotary", "norm_eps": 1e-5, "heads": {384: 6, 768: 12, 1024: 16, 1280: 20, 4096: 32}},
)
