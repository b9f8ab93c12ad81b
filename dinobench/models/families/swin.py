"""Swin transformers: supervised, or trained by iBOT or EsViT."""

from __future__ import annotations

from dinobench.models.family import Family
from dinobench.models.layouts import swin

FAMILY = Family(name="swin", title="a Swin transformer (iBOT, EsViT)", layouts=(swin.LAYOUT,), order=28)
