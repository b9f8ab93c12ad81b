"""DINOv2 without registers as `transformers` stores it."""

from __future__ import annotations

from dinobench.models.key_layouts import transformers_vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="dinov2_transformers",
    title="DINOv2 (transformers)",
    layouts=(transformers_vit.LAYOUT,),
    signs=(r"layer_scale1\.lambda1$",),
    order=15,
    facts={"resize": "size", "input_size": 224},
)
