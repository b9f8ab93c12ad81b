"""ViT, DeiT, DINO, MAE and MSN as `transformers` stores them; its default LayerNorm epsilon is 1e-12."""

from __future__ import annotations

from dinobench.models.key_layouts import transformers_vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="transformers",
    title="a vision transformer of the transformers library",
    layouts=(transformers_vit.LAYOUT,),
    order=20,
    facts={"norm_eps": 1e-12, "resize": "size"},
)
