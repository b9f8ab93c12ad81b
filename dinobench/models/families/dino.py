"""DINO: full checkpoints of the released trainer and of ours, with the head beside the backbone."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet, vit, xcit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="dino",
    title="DINO",
    layouts=(xcit.LAYOUT, vit.LAYOUT, resnet.LAYOUT),
    signs=(r"head\.mlp\.(0\.)?weight$", r"head\.last_layer\."),
    order=40,
)
