"""DINOv2 with registers as `transformers` stores it: its position table is resized to the size, antialiased."""

from __future__ import annotations

from dinobench.models.key_layouts import transformers_vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="dinov2_registers_transformers",
    title="DINOv2 with registers (transformers)",
    layouts=(transformers_vit.LAYOUT,),
    signs=(r"layer_scale1\.lambda1$", r"embeddings\.register_tokens$"),
    order=10,
    facts={"resize": "timm", "input_size": 224},
)
