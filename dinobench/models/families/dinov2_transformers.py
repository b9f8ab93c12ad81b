"""DINOv2 without registers as `transformers` stores it."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import transformers_vit

FAMILY = Family(
    name="dinov2_transformers",
    title="DINOv2 (transformers)",
    layouts=(transformers_vit.LAYOUT,),
    signs=(r"layer_scale1\.lambda1$",),
    order=15,
    facts={"resize": "size", "input_size": 224},
)
