"""DINOv2 without registers: layer scale and a mask token. Native tables are of 518 px; figures are given at 224."""

from __future__ import annotations

from dinobench.models.key_layouts import vit
from dinobench.models.loading.family import Family, FileForm

FAMILY = Family(
    name="dinov2",
    title="DINOv2",
    layouts=(vit.SCALED_LAYOUT,),
    signs=(r"blocks\.(\d+\.)?\d+\.ls1\.gamma$", r"(^|\.)mask_token$"),
    order=25,
    facts={"input_size": 224},
    form=FileForm(beside=("mask_token",)),
)
