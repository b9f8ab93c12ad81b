"""Swin transformers trained by iBOT or EsViT, with LayerNorm epsilon 1e-6; for supervised ones say norm_eps=1e-5."""

from __future__ import annotations

from dinobench.models.key_layouts import swin
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="swin",
    title="a Swin transformer (iBOT, EsViT)",
    layouts=(swin.LAYOUT,),
    order=28,
    facts={"norm_eps": 1e-6},
)
