"""MoCo-v3: the trained network is `base_encoder`; its ViT-S has 12 heads."""

from __future__ import annotations

from dinobench.models.key_layouts import resnet, vit
from dinobench.models.loading.family import Family

FAMILY = Family(
    name="moco_v3",
    title="MoCo-v3",
    layouts=(vit.LAYOUT, resnet.LAYOUT),
    signs=(r"(^|\.)base_encoder\.",),
    order=30,
    branch="student",
    facts={"heads": {384: 12, 768: 12, 1024: 16}},
)
