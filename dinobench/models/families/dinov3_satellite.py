"""DINOv3's ViT-L of satellite images (SAT-493M), whose pixels are normalized otherwise.

Of the released networks with bias on queries and values it alone kept the norm of its local crops.
"""

from __future__ import annotations

from dataclasses import replace

from dinobench.models.families.dinov3 import FAMILY as DINOV3
from dinobench.models.networks.backbone import Preprocessing

FAMILY = replace(
    DINOV3,
    name="dinov3_satellite",
    title="DINOv3 of satellite images",
    signs=(*DINOV3.signs, r"(^|\.)local_cls_norm\.", r"\.attn\.qkv\.bias$"),
    order=DINOV3.order - 1,
    preprocessing=Preprocessing(mean=(0.430, 0.411, 0.296), std=(0.213, 0.156, 0.143)),
)
