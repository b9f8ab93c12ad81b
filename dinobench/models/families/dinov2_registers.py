"""DINOv2 with registers, here and in timm: its position table is resized to the size, antialiased."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="dinov2_registers",
    title="DINOv2 with registers",
    layouts=(vit.SCALED_LAYOUT,),
    signs=(r"blocks\.(\d+\.)?\d+\.ls1\.gamma$", r"(^|\.)(register_tokens|reg_token)$", r"(^|\.)pos_embed$"),
    order=20,
    facts={"resize": "timm", "input_size": 224},
    form=FileForm(beside=("mask_token",)),
)
